"""
Does my intervention panel suffice?
===================================

You plan to perturb a system and to train a model with sparse mechanisms on the result. The graph tells what the panel
can separate; whether it will depends on how the interventions act. Both can be asked before the experiment.
"""

import sympy
from matplotlib import pyplot as plt

from identify.criterion import check
from identify.influence import check_influence
from identify.mechanisms import Mechanisms, gaussian
from identify.plot import plot_verdict

# %%
# Three proteins and three drugs; every drug hits two proteins. Write down how you think that the drugs act: here each
# shifts its targets in proportion to the dose, with noise of one unit. Doses are continuous.
raf, mek, erk = sympy.symbols("raf mek erk")
drugs = a, b, c = sympy.symbols("drug_A drug_B drug_C")

proportional = Mechanisms(
    latents=[raf, mek, erk],
    log_densities=[gaussian(raf, a + 2 * b), gaussian(mek, 3 * a - c), gaussian(erk, b + c)],
    actions=drugs,
)
print(proportional.graph.edges())

# %%
# The graph is fine: no two proteins have causes contained in one another's.
verdict = check(proportional.graph, influence=check_influence(proportional))
print(verdict)
plot_verdict(verdict, fig=plt.figure())

# %%
# The mechanisms are not. With effects in proportion to the dose, the two targets of a drug always move along the same
# line, whatever the dose, and a model may take the line for one latent. The report says so for each drug, with the
# relation that proves it. A promise with a refuted condition is none.
for condition in verdict.conditions:
    print(f"{condition.status:8} {condition.name}")
print()
for condition in verdict.refuted:
    print(condition.reason)

# %%
# It also says what would help.
for repair in verdict.refuted[0].repairs:
    print("-", repair)

# %%
# Dose-response curves are seldom straight. If they saturate, at different doses for different targets, the same panel
# is enough, and this is proved: at two doses the effects have a determinant that is enclosed away from zero.
saturating = Mechanisms(
    latents=[raf, mek, erk],
    log_densities=[
        gaussian(raf, sympy.tanh(a) + sympy.tanh(2 * b)),
        gaussian(mek, sympy.tanh(3 * a) - sympy.tanh(c)),
        gaussian(erk, sympy.tanh(b) + sympy.tanh(2 * c)),
    ],
    actions=drugs,
)
report = check_influence(saturating)
print(check(saturating.graph, influence=report).refuted)
for drug in drugs:
    print(f"{drug}: {report.actions[drug].status}, {report.actions[drug].certificate}")

# %%
# Anybody can recompute a certificate from what it holds.
print([report.actions[drug].certificate.verify() for drug in drugs])

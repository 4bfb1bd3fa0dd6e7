"""
Does my intervention panel suffice?
===================================

You plan to perturb a system and to train a model with sparse mechanisms on the data. The graph determines what the
panel can separate; whether it does depends on how the interventions act. Both can be checked before the experiment.
"""

import sympy
from matplotlib import pyplot as plt

from identify.criterion import check
from identify.influence import check_influence
from identify.mechanisms import Mechanisms, gaussian
from identify.plot import plot_verdict

# %%
# There are three proteins and three drugs, and every drug targets two proteins. Write down how you expect the drugs to
# act. Here each drug shifts its targets in proportion to the dose, with unit noise. Doses are continuous.
raf, mek, erk = sympy.symbols("raf mek erk")
drugs = a, b, c = sympy.symbols("drug_A drug_B drug_C")

proportional = Mechanisms(
    latents=[raf, mek, erk],
    log_densities=[gaussian(raf, a + 2 * b), gaussian(mek, 3 * a - c), gaussian(erk, b + c)],
    actions=drugs,
)
print(proportional.graph.edges())

# %%
# The graph suffices: no protein's causes contain those of another.
verdict = check(proportional.graph, influence=check_influence(proportional))
print(verdict)
plot_verdict(verdict, fig=plt.figure())

# %%
# The mechanisms don't. With effects in proportion to the dose, the two targets of a drug move along the same
# line at every dose, and a model may learn this line as one latent. The report gives the relation that proves this for
# each drug. A guarantee with a refuted condition is void.
for condition in verdict.conditions:
    print(f"{condition.status:8} {condition.name}")
print()
for condition in verdict.refuted:
    print(condition.reason)

# %%
# It also lists what would help.
for repair in verdict.refuted[0].repairs:
    print("-", repair)

# %%
# Dose-response curves are rarely straight. If they saturate at different doses for different targets, the same panel
# suffices. The proof: at two doses, the determinant of the effects is enclosed away from zero.
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
# A certificate holds all that is needed to recompute it.
print([report.actions[drug].certificate.verify() for drug in drugs])

"""
Is my graph enough?
===================

The latent factors of your system respond to actions or to their own past, and you know (or guess) which causes act on
which latents. Which latents can a model with sparse mechanisms recover one by one?
"""

from matplotlib import pyplot as plt

from identify.criterion import check
from identify.graph import CausalGraph
from identify.plot import plot_verdict

# %%
# The system has four latents and three actions. Rows are children: the first row says that the motor and a push move
# the position of the cart.
graph = CausalGraph(
    Ga=[
        [1, 1, 0],
        [1, 1, 0],
        [0, 1, 1],
        [0, 0, 1],
    ],
    latents=["cart position", "cart speed", "pole angle", "pole length"],
    actions=["motor", "push", "swap pole"],
)
verdict = check(graph)
print(verdict)

# %%
# The verdict is not complete. Which latents stay entangled with which?
for latent in verdict.latents:
    print(latent)

# %%
# The position and the speed are twins: the same actions move both. The length of the pole stays entangled with its
# angle, but not the reverse, because every action that moves the length also moves the angle.
plot_verdict(verdict, fig=plt.figure())

# %%
# Why is the angle separated from the length, and what would separate the length from the angle?
print(verdict.witness("pole angle", "pole length"))
print(verdict.remedy("pole length", "pole angle"))

# %%
# The past helps. Each latent depends on its own past. In addition, the speed moves the position at the next step, and
# the angle moves the speed.
with_past = CausalGraph(
    Gz=[
        [1, 1, 0, 0],
        [0, 1, 1, 0],
        [0, 0, 1, 0],
        [0, 0, 0, 1],
    ],
    Ga=graph.Ga,
    latents=graph.latents,
    actions=graph.actions,
)
better = check(with_past)
print(better)
print(better.witness("cart position", "cart speed"))
print(better.witness("pole length", "pole angle"))

# %%
# Now all latents are separated. In this example the past alone would suffice, the actions alone would not:
print(check(with_past, using="actions"))
print(check(with_past, using="past"))

# %%
plot_verdict(better, fig=plt.figure())

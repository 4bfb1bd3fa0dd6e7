"""What mechanism sparsity guarantees about a latent causal graph, before any training.

==============================================  =====================================================
statement of the theory                         where it is coded
==============================================  =====================================================
the model's graphs G^z and G^a                  `identify.graph.CausalGraph`
G-preserving maps, predicted entanglement       `identify.entanglement.predict_entanglement`
graphical criterion, witnesses, remedies        `identify.criterion.check`
consistent models, consistency classes          `identify.consistency`
dependency graph of a map, G-preserving maps    `identify.maps`
conditional densities and their graph           `identify.mechanisms`
sufficient influence, with certificates         `identify.influence.check_influence`
which interventions to add                      `identify.design.design_interventions`
==============================================  =====================================================

Import names from the module that owns them (``from identify.criterion import check``). This file contains no code: an
unrelated distribution called ``identify`` installs an empty ``identify/__init__.py`` of its own, and both must work in
the same environment.
"""

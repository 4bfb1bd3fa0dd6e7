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
joint influence of on/off actions               `identify.influence.check_joint_generic`
which interventions to add                      `identify.design.design_interventions`
==============================================  =====================================================

Every module may import those above it:

==================  ===========================================================
module              contents
==================  ===========================================================
``terminal``        text that a terminal can show
``exceptions``      errors about a graph, a file or a request
``wording``         numbers with their nouns, and lists of names
``hashing``         a 64-bit mixing function
``names``           names of latents and actions
``binary``          any matrix -> one validated boolean CSR array
``graph``           `CausalGraph`
``files``           reading with limits, and atomic writing
``toml_files``      TOML with limits
``json_files``      JSON with limits
``formats``         causal graphs in files
``catalog``         named graphs with their sources
``preorder``        row inclusion of sparse boolean matrices
``neighbourhoods``  the actions, past parents and past children of every latent
``entanglement``    `predict_entanglement`
``symmetry``        automorphisms and canonical orders of causal graphs
``consistency``     consistency of graphs and models
``proof``           decisions with a proof, within a time limit
``maps``            dependency graphs of maps written in sympy
``mechanisms``      conditional densities written in sympy
``influence``       sufficient influence, decided with certificates
``evidence``        numerical evidence for sufficient influence
``conditions``      the conditions of the theorems and their status
``screens``         on/off actions: joint influence and the entanglement that it predicts
``criterion``       `check`: the verdict
``design``          design of interventions
``plot``            figures; the only package that imports matplotlib
``report``          reports of verdicts and designs
``commands``        the command line
==================  ===========================================================

Import names from the module that owns them (``from identify.criterion import check``). This file contains no code: an
unrelated distribution called ``identify`` installs an empty ``identify/__init__.py`` of its own, and both must work in
the same environment.
"""

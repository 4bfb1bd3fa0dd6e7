Creator "igraph version 1.0.0 Sat Nov 28 04:27:25 2026"
Version 1
graph
[
  directed 1
  node
  [
    id 0
    name "speed"
    kind "latent"
  ]
  node
  [
    id 1
    name "place"
    kind "latent"
  ]
  node
  [
    id 2
    name "push"
    kind "action"
  ]
  edge
  [
    source 0
    target 0
    weight 1.5
  ]
  edge
  [
    source 0
    target 1
    weight 2
  ]
  edge
  [
    source 2
    target 1
    weight -1
  ]
]

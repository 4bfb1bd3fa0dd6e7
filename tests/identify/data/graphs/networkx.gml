graph [
  directed 1
  node [
    id 0
    label "speed"
    kind "latent"
  ]
  node [
    id 1
    label "place"
    kind "latent"
  ]
  node [
    id 2
    label "push"
    kind "action"
  ]
  edge [
    source 0
    target 0
    weight 1.5
  ]
  edge [
    source 0
    target 1
    weight 2.0
  ]
  edge [
    source 2
    target 1
    weight -1.0
  ]
]

graph
[
  Creator "Gephi"
  directed 1
  node
  [
    id 0
    label "speed"
    graphics
    [
      x -12.5
      y 3.0
      z 0.0
      w 10.0
      h 10.0
      d 10.0
      fill "#999999"
    ]
    kind "latent"
  ]
  node
  [
    id 1
    label "place"
    graphics
    [
      x 8.25
      fill "#999999"
    ]
    kind "latent"
  ]
  node
  [
    id 2
    label "push"
    kind "action"
  ]
  edge
  [
    id 0
    source 0
    target 0
    value 1.0
    fill "#666666"
  ]
  edge
  [
    id 1
    source 0
    target 1
    value 2.5
  ]
  edge
  [
    id 2
    source 2
    target 1
    value 1.0
  ]
]

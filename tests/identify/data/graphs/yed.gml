Creator	"yFiles"
Version	"2.19"
graph
[
	hierarchic	1
	label	""
	directed	1
	node
	[
		id	0
		label	"motion"
		graphics
		[
			x	430.0
			type	"roundrectangle"
		]
		isGroup	1
	]
	node
	[
		id	1
		label	"speed"
		kind	"latent"
		gid	0
		LabelGraphics
		[
			text	"speed"
			fontName	"Dialog"
		]
	]
	node
	[
		id	2
		label	"place"
		kind	"latent"
		gid	0
	]
	node
	[
		id	3
		label	"push"
		kind	"action"
	]
	edge
	[
		source	1
		target	1
		graphics
		[
			fill	"#000000"
			targetArrow	"standard"
		]
	]
	edge
	[
		source	1
		target	2
		graphics
		[
			fill	"#000000"
			targetArrow	"delta"
		]
	]
	edge
	[
		source	2
		target	3
		graphics
		[
			fill	"#000000"
			sourceArrow	"standard"
		]
	]
]

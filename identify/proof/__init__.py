"""Answers with a proof: zero or not, independent or not, or an honest "not known", within a time.

deadline        work that is stopped after a time
words           expressions as messages show them
balls           values enclosed in balls (Arb)
vanishing       is an expression zero almost everywhere
analytic        does one value of z stand for almost every one
independence    are functions linearly independent; certificates that anybody can check
"""

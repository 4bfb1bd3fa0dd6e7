"""Systems that nobody here wrote: data of packages from PyPI, and what is predicted and found on them.

===============  ==============================================================================
module           contents
===============  ==============================================================================
``panels``       what screens of phosphoproteins could tell apart
===============  ==============================================================================
"""

"""Folders that training writes: tensors as safetensors, everything else as JSON, replaced as a whole.

==============  ===========================================================================
module          contents
==============  ===========================================================================
``schema``      forms of JSON content, checked before a value is used
``companions``  files that belong to the content of a folder and are replaced with it
``folders``     reading and writing such a folder
==============  ===========================================================================
"""

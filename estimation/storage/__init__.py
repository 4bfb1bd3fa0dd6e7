"""Folders that training writes: tensors as safetensors, everything else as JSON, replaced as a whole.

==============  ==========================================================================
module          what it holds
==============  ==========================================================================
``schema``      the types and ranges that a file may hold, checked before a value is used
``companions``  files that belong to a folder's content and are replaced with it
``folders``     reading and writing such a folder
==============  ==========================================================================
"""

"""Single-cell data: AnnData objects and ``.h5ad`` files, read into `RawData`.

=================  ============================================================================================
module             contents
=================  ============================================================================================
``options``        `AnnDataOptions`: which columns of ``.obs`` and ``.var``, and which layer, become what
``obs_columns``    columns of ``.obs`` as labels, with the names of cells in messages
``perturbations``  labels of perturbations, single or joined, and doses -> one action per perturbation
``covariates``     batches, donors and other covariates as columns of numbers
``sources``        one view of an AnnData object, in memory or backed, and of an open ``.h5ad`` file
``matrix``         ``X`` or a layer, dense or sparse, read in blocks: into memory or into a file on disk
``reader``         `raw_data_of_anndata` and `read_h5ad`
=================  ============================================================================================

The format is that of anndata (https://anndata.readthedocs.io): a matrix of cells and genes, a table ``.obs`` of the
cells, a table ``.var`` of the genes. Files need the packages anndata and h5py, which are imported when a file is read;
an object in memory needs neither.
"""

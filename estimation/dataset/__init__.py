"""Data to train on and to evaluate with.

========================  ============================================================================================
module                    contents
========================  ============================================================================================
``readers``               arrays, CSV, Parquet, NPZ, image folders and AnnData, read into raw data
``covariates``            covariates: checked, and matched with those of the training data
``covariate_categories``  which columns are categories of a covariate
``checks``                checks of raw data
``reading``               datasets from files and AnnData objects, as methods of `Dataset`
``windows``               rows, splits, and windows of consecutive steps
``arrays_and_frames``     arrays and data frames as raw data
``sizes``                 numbers of rows, steps and columns
``counts``                checks that observations are counts
``dataset``               `Dataset`: observations, actions, and the true latents and graph where known
``rows``                  rows of arrays as a dataset, independent or in time order
``fingerprint``           a digest that identifies a dataset
``alignment``             the columns of a dataset, matched by name with those of the training data
``centring``              centring in double precision, before numbers become float32
``heavy_tails``           heavy tails of columns, and the transform that compresses them
``holdout``               a held-out split that shares no row or sequence with the training split
========================  ============================================================================================
"""

from estimation.dataset.dataset import Dataset

__all__ = ["Dataset"]

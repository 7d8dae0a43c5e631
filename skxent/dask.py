"""`BinaryLogReg` and `SoftmaxReg` for Dask arrays and dataframes.

They need the extra ``dask``: ``pip install "skxent[dask]"``.
"""

try:
    from .classifiers.dask_estimators import BinaryLogReg, SoftmaxReg
except ImportError as error:
    raise ImportError(
        "skxent.dask needs dask, with arrays and dataframes, and distributed; expected "
        f'both to be installed: pip install "skxent[dask]". {error}'
    ) from error

__all__ = ["BinaryLogReg", "SoftmaxReg"]

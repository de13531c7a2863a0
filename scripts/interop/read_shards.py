"""Reads shards with one program and prints the contents as one JSON object: a column type and, for every row, bytes in hex.

    python read_shards.py READER PATH_OR_URL [PATH_OR_URL ...]

Reading uses the program's public interface as its manual shows. Numbers are printed as their bits: equal text means
equal values.
"""

import hashlib
import json
import sys

import numpy as np


def bits(target):
    """The little-endian bytes of a list of numbers as float32, which holds every float16, or None."""
    if target is None or (isinstance(target, float) and np.isnan(target)):
        return None
    array = np.asarray(target)
    assert array.dtype in (np.float16, np.float32), f"targets of type {array.dtype}"
    return array.astype("<f4").tobytes().hex()


def row(sample_id, data, path, target, weight):
    return {
        "id": sample_id,
        "image": hashlib.sha256(data).hexdigest(),
        "path": path,
        "target": bits(target),
        "weight": bits(np.float32(weight)),
    }


def open_file(source):
    import fsspec

    return fsspec.open(source, "rb")


def of_arrow(tables):
    """Rows of Arrow tables, targets as numpy views on Arrow's memory."""
    rows = []
    for table in tables:
        for batch in table.to_batches():
            targets, weights = batch.column("target"), batch.column("weight").to_numpy()
            for i in range(batch.num_rows):
                image = batch.column("image")[i].as_py()
                target = targets[i].values.to_numpy(zero_copy_only=True) if targets[i].is_valid else None
                rows.append(row(batch.column("id")[i].as_py(), image["bytes"], image["path"], target, weights[i]))
    return {"type": str(tables[0].schema.field("target").type), "rows": rows}


def read_pyarrow(sources):
    import pyarrow.parquet as pq

    tables, metadata = [], []
    for source in sources:
        with open_file(source) as file:
            tables.append(pq.read_table(file))
            footer = pq.read_metadata(file).metadata
            metadata.append({k.decode(): v.decode() for k, v in footer.items() if k.startswith(b"coopt.")})
    return {**of_arrow(tables), "metadata": metadata}


def read_pandas(sources):
    import pandas as pd

    frames = [pd.read_parquet(source) for source in sources]
    rows = [
        row(r.id, r.image["bytes"], r.image["path"], r.target, r.weight) for frame in frames for r in frame.itertuples()
    ]
    dtype = next(t.dtype for frame in frames for t in frame.target if t is not None)
    return {"type": str(dtype), "rows": rows}


def read_polars(sources):
    import polars as pl

    frame = pl.scan_parquet(sources).collect()
    rows = [
        row(r["id"], r["image"]["bytes"], r["image"]["path"], None if t is None else t.to_numpy(), r["weight"])
        for r, t in zip(frame.select("id", "image", "weight").iter_rows(named=True), frame["target"])
    ]
    return {"type": str(frame.schema["target"]), "rows": rows}


def read_duckdb(sources):
    import duckdb
    from duckdb_extensions import import_extension

    connection = duckdb.connect()
    import_extension("httpfs", con=connection)
    rows, kind = [], None
    result = connection.execute(
        """SELECT id, image, target, weight, typeof(target)
           FROM read_parquet(?, filename = true, file_row_number = true)
           ORDER BY filename, file_row_number""",
        [list(sources)],
    )
    for sample_id, image, target, weight, kind in result.fetchall():
        values = None if target is None else np.array(target, dtype=np.float32)
        rows.append(row(sample_id, image["bytes"], image["path"], values, weight))
    return {"type": kind, "rows": rows}


def of_datasets(data, streaming):
    import datasets

    data = data.cast_column("image", datasets.Image(decode=False))
    features = data.features
    data = data.with_format("arrow")
    tables = list(data.iter(batch_size=100))
    assert streaming or data.num_rows == sum(t.num_rows for t in tables)
    return {**of_arrow(tables), "features": {name: repr(feature) for name, feature in features.items()}}


def first_image(data):
    """Width and height of the first image as `datasets` decodes it, or None if it is not an image."""
    import PIL

    try:
        return next(iter(data))["image"].size
    except PIL.UnidentifiedImageError:
        return None


def read_datasets(sources, streaming=False):
    import datasets

    data = datasets.load_dataset("parquet", data_files={"train": list(sources)}, split="train", streaming=streaming)
    return {**of_datasets(data, streaming), "pixels": first_image(data)}


def read_directory(sources):
    """`load_dataset(directory)`: the files and features that the dataset card names."""
    import datasets

    data = datasets.load_dataset(sources[0], split="train")
    return of_datasets(data, False)


READERS = {
    "pyarrow": read_pyarrow,
    "pandas": read_pandas,
    "polars": read_polars,
    "duckdb": read_duckdb,
    "datasets": read_datasets,
    "datasets-streaming": lambda sources: read_datasets(sources, streaming=True),
    "datasets-directory": read_directory,
}

if __name__ == "__main__":
    json.dump(READERS[sys.argv[1]](sys.argv[2:]), sys.stdout)

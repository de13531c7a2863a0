"""Writes random Parquet files with other programs, and checks that appending a column preserves them.

    python append_check.py write DIR COUNT SEED      DIR/<i>.parquet by pyarrow and DuckDB in turn; prints the numbers of rows as JSON
    python append_check.py compare DIR COUNT         DIR/<i>.parquet and DIR/<i>.out.parquet: old columns equal in values and bytes

`compare` prints what pyarrow and DuckDB read from the appended files: targets as rows of hex (little-endian float32) or null, and all
weights as one hex, or null without such a column.
"""

import json
import random
import sys

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def column(rng, rows, kind):
    null = rng.choice([0.0, 0.2])
    values = {
        "int": lambda i: rng.randrange(-(2**40), 2**40),
        "float": lambda i: rng.uniform(-1, 1),
        "text": lambda i: "é" * rng.randrange(4) + str(rng.randrange(50)),
        "bytes": lambda i: rng.randbytes(rng.randrange(200)),
        "bool": lambda i: rng.random() < 0.5,
        "list": lambda i: [rng.randrange(9) for _ in range(rng.randrange(4))],
        "struct": lambda i: {"bytes": rng.randbytes(9), "path": str(i)},
    }[kind]
    return [None if rng.random() < null else values(i) for i in range(rows)]


def write(folder, count, seed):
    sizes = []
    for i in range(count):
        rng = random.Random(f"{seed} {i}")
        rows = rng.choice([1, 2, 7, 100, 1000, 5000])
        kinds = rng.sample(["int", "float", "text", "bytes", "bool", "list", "struct"], rng.randrange(1, 6))
        frame = pa.table({f"{kind} {k}": pa.array(column(rng, rows, kind), types[kind]) for k, kind in enumerate(kinds)})
        path, group = f"{folder}/{i}.parquet", rng.choice([1, 3, 2048, 5000]) if rows <= 100 else rng.choice([500, 2048, 9999])
        if i % 2 == 0:
            pq.write_table(
                frame.replace_schema_metadata({"kept": "as it was"}),
                path,
                row_group_size=group,
                compression=rng.choice(["none", "snappy", "zstd", "gzip", "lz4", "brotli"]),
                version=rng.choice(["1.0", "2.4", "2.6"]),
                data_page_version=rng.choice(["1.0", "2.0"]),
                use_dictionary=rng.random() < 0.5,
                write_page_index=rng.random() < 0.5,
                store_schema=rng.random() < 0.5,
            )
        else:
            codec = rng.choice(["uncompressed", "snappy", "zstd", "gzip"])
            duckdb.sql(f"COPY (FROM frame) TO '{path}' (FORMAT parquet, COMPRESSION {codec}, ROW_GROUP_SIZE {group})")
        sizes.append(rows)
    print(json.dumps(sizes))


types = {
    "int": pa.int64(),
    "float": pa.float64(),
    "text": pa.utf8(),
    "bytes": pa.binary(),
    "bool": pa.bool_(),
    "list": pa.list_(pa.int32()),
    "struct": pa.struct([("bytes", pa.binary()), ("path", pa.utf8())]),
}


def chunks(metadata):
    """Position and description of the column chunks, as pyarrow reads them from the footer."""
    groups = [metadata.row_group(g) for g in range(metadata.num_row_groups)]
    return [[group.column(c).to_dict() for c in range(group.num_columns)] for group in groups]


def hexes(values):
    return [None if v is None else np.asarray(v, np.float32).astype("<f4").tobytes().hex() for v in values]


def numbers(targets, weights=None):
    return {"targets": hexes(targets), "weights": None if weights is None else hexes([weights])[0]}


def compare(folder, count):
    seen = []
    for i in range(count):
        before, after = f"{folder}/{i}.parquet", f"{folder}/{i}.out.parquet"
        old, new = pq.read_table(before), pq.read_table(after)
        added = new.column_names[len(old.column_names) :]
        assert new.column_names == [*old.column_names, *added], f"{i}: columns {new.column_names}"
        assert added in (["target"], ["target", "weight"]), f"{i}: columns {added}"
        # without Arrow's copy of the schema text and bytes may be large_ or not: values and not types are compared
        assert new.drop_columns(added).to_pylist() == old.to_pylist(), f"{i}: values changed for pyarrow"
        old_footer, new_footer = pq.read_metadata(before), pq.read_metadata(after)
        assert [g[: -len(added)] for g in chunks(new_footer)] == chunks(old_footer), f"{i}: column chunks moved"
        with open(before, "rb") as a, open(after, "rb") as b:
            data = a.read()
            start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
            assert b.read(start) == data[:start], f"{i}: bytes before the footer changed"
        if old_footer.metadata is not None and b"kept" in old_footer.metadata:
            assert new_footer.metadata[b"kept"] == b"as it was", f"{i}: metadata lost"
        rows = duckdb.sql(f"SELECT * EXCLUDE ({', '.join(added)}) FROM '{after}'").fetchall()
        assert rows == duckdb.sql(f"SELECT * FROM '{before}'").fetchall(), f"{i}: values changed for DuckDB"
        theirs = list(zip(*duckdb.sql(f"SELECT {', '.join(added)} FROM '{after}'").fetchall()))
        ours = [new[name].to_pylist() for name in added]
        seen.append({"pyarrow": numbers(*ours), "duckdb": numbers(*theirs)})
    print(json.dumps(seen))


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    else:
        compare(sys.argv[2], int(sys.argv[3]))

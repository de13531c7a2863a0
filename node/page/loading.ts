/** How a dataset is loaded, as text to copy. Nothing that a stranger wrote is in it: CIDs, numbers, and this node's own address. */
import { html, preformatted, type Html } from '../process/html.ts'

export interface LoadingInit {
  readonly root: string
  /** `127.0.0.1:18480`, as the browser named it */
  readonly host: string
  readonly total: number
  /** Partitions that have a shard, ascending */
  readonly chosen: readonly number[]
}

export function loadingSection({ root, host, total, chosen }: LoadingInit): Html {
  const list = chosen.length === total ? `range(${total})` : `[${chosen.join(', ')}]`
  const files = `ROOT = "http://${host}/ipfs/${root}"
FILES = [f"{ROOT}/data/train-{i:05d}-of-${`${total}`.padStart(5, '0')}.parquet" for i in ${list}]
`
  return html`<h2>How to load it</h2>
    <p>
      Columns: <code>id</code> (the image's CID), <code>image</code>, <code>target</code>, and <code>weight</code>: how
      much the row counts.
    </p>
    ${snippet(
      'hf',
      'Hugging Face datasets',
      `${files}
from datasets import load_dataset
train = load_dataset("parquet", data_files={"train": FILES}, split="train", streaming=True)
`
    )}
    ${snippet(
      'torch',
      'PyTorch',
      `${files}
import io, fsspec, torch, pyarrow.parquet as pq
from PIL import Image

class Targets(torch.utils.data.IterableDataset):
    def __iter__(self):
        for path in FILES:
            with fsspec.open(path) as file:
                for batch in pq.ParquetFile(file).iter_batches(64, columns=["image", "target", "weight"]):
                    for row in batch.to_pylist():
                        if row["target"] is not None:
                            image = Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB")
                            yield image, torch.tensor(row["target"]), row["weight"]
`
    )}
    ${snippet(
      'commands',
      'Commands',
      `coopt merge INVITE --out merged/     # files, fetched from members; "coopt status" has the invite
coopt verify ${root}
coopt export ${root} --car dataset.car
curl -o dataset.car 'http://${host}/ipfs/${root}?format=car'
`
    )}`
}

// --- internal ---

function snippet(id: string, title: string, text: string): Html {
  return html`<div class="snippet">
    <h3>${title}</h3>
    <button type="button" data-copy="load-${id}">copy<span class="hidden"> the ${title} example</span></button>
    <pre tabindex="0" role="region" aria-label="${title}"><code id="load-${id}">${preformatted(text)}</code></pre>
  </div>`
}

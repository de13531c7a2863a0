/** Every decoder of foreign bytes, and the functions that look like one and are none. `test/decoder-list.test.ts` keeps this list whole. */
import type { Decoder } from './decoder.ts'
import { files } from './files.ts'
import { IMAGES } from './images.ts'
import { PARQUET } from './parquet.ts'
import { WIRE } from './wire.ts'

/** `root`: a folder for good files. */
export function allDecoders(root: string): readonly Decoder[] {
  return [...WIRE, ...PARQUET, ...IMAGES, ...files(root)]
}

/** Exported functions with the name and first parameter of a decoder, as `path name`, and why none of the list stands for them. */
export const NO_DECODERS: Readonly<Record<string, string>> = {
  'node/api/device-name.ts parseDevice': 'the name of a device, which its owner gives',
  'node/cli/backend.ts openLocal': 'opens a home by the files of its own list',
  'node/compute/inference/external-data.ts readExternalFiles': 'copies files that the scan of a model has named',
  'node/compute/inference/external-data.ts readHead': 'the first bytes of a file, as they are',
  'node/home/edit-config.ts readEntries': 'config.json, by loadConfig',
  'node/image-sources/source.ts openSource': 'sources, by sourceCandidates',
  'node/lab/simulate/image-set.ts readLabels': 'labels of a person, by createLabelReader',
  'node/priors/bundle/open-bundle.ts openBundle': 'bundle.json and a model, each in the list',
  'node/priors/onnx-prior.ts scanModelFile': 'the file of a model, by scanModel',
  'node/priors/table/disk-file.ts openDiskFile': 'opens a file and looks at nothing',
  'node/store/atomic-file.ts readJson': 'by openSequence, with any schema',
  'node/store/datastore.ts openDatastore': 'LevelDB, damaged in test/torture/damage.torture.ts',
  'node/swarms/open-log.ts openLog': 'a log of records and records, each in the list',
  'src/optimize/vector-layout.ts decodeNumbers': 'numbers of a table whose extent was checked; any bytes are numbers'
}

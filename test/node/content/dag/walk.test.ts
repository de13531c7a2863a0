import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { identity } from 'multiformats/hashes/identity'
import { expect, test } from 'vitest'
import { keyOf } from '../../../../node/content/dag/walk.ts'

test('an identity CID has a key of one character per byte, however long it is', () => {
  const cid = CID.createV1(raw.code, identity.digest(new Uint8Array(1_000_000).fill(7)))
  expect(keyOf(cid)).toHaveLength(cid.bytes.byteLength)
})

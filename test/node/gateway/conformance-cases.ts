/** Requests and answers of the public gateway-conformance suite, and more of the same kind. `{name}` is the CID of a fixture. */
import { ASCII, MULTIBLOCK } from './fixtures.ts'

export interface Case {
  name: string
  path: string
  headers?: Record<string, string>
  method?: string
  status: number
  expect?: Record<string, string | RegExp>
  body?: string | RegExp
}

const RAW = { accept: 'application/vnd.ipld.raw' }
export const CASES: Case[] = [
  // path gateway: UnixFS
  {
    name: 'serves a file',
    path: '/ipfs/{dir}/ascii.txt',
    status: 200,
    body: ASCII,
    expect: {
      'content-type': 'text/plain; charset=utf-8',
      'accept-ranges': 'bytes',
      'content-length': '31',
      'cache-control': 'public, max-age=29030400, immutable',
      etag: '"{dir/ascii.txt}"',
      'x-ipfs-path': '/ipfs/{dir}/ascii.txt',
      'x-ipfs-roots': '{dir},{dir/ascii.txt}',
      'x-content-type-options': 'nosniff'
    }
  },
  {
    name: 'serves a file of several blocks',
    path: '/ipfs/{dir}/subdir/multiblock.txt',
    status: 200,
    body: MULTIBLOCK,
    expect: { 'content-length': '1026' }
  },
  { name: 'serves a file of a sharded directory', path: '/ipfs/{hamt}/299.txt', status: 200, body: /^file 299 x+$/ },
  { name: 'serves the target of a symbolic link as text', path: '/ipfs/{symlink}', status: 200, body: 'ascii.txt' },
  { name: 'decodes the path once', path: '/ipfs/{dir}/percent%252Cname.txt', status: 200, body: 'percent' },
  { name: 'takes names that are not ASCII', path: '/ipfs/{dir}/subdir/%C4%85%C4%99.txt', status: 200, body: 'source' },
  {
    name: 'knows Parquet by its name',
    path: '/ipfs/{dir}/data.parquet',
    status: 200,
    expect: { 'content-type': 'application/vnd.apache.parquet' }
  },
  {
    name: 'looks at the bytes of a file without extension',
    path: '/ipfs/{dir}/noextension',
    status: 200,
    expect: { 'content-type': 'text/plain; charset=utf-8' }
  },
  {
    name: 'names a download',
    path: '/ipfs/{dir}/ascii.txt?filename=test%D1%82%D0%B5.pdf&download=true',
    status: 200,
    expect: {
      'content-disposition': `attachment; filename="test__.pdf"; filename*=UTF-8''test%D1%82%D0%B5.pdf`,
      'content-type': 'application/pdf'
    }
  },
  { name: 'says 404 for a name that is not there', path: '/ipfs/{dir}/i-do-not-exist', status: 404 },
  { name: 'says 404 for a name below a file', path: '/ipfs/{dir}/ascii.txt/more', status: 404 },
  { name: 'says 404 for a name that a sharded directory lacks', path: '/ipfs/{hamt}/none.txt', status: 404 },
  { name: 'says 404 for a CID that is not here', path: '/ipfs/{holes/1}', status: 404 },
  // directories
  {
    name: 'redirects a directory to the trailing slash',
    path: '/ipfs/{dir}/subdir?x=1',
    status: 301,
    expect: { location: '/ipfs/{dir}/subdir/?x=1' }
  },
  {
    name: 'serves index.html with the etag of its directory',
    path: '/ipfs/{dir}/site/',
    status: 200,
    body: '<h1>index</h1>',
    expect: {
      etag: '"{dir/site}"',
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': 'sandbox',
      'x-ipfs-roots': '{dir},{dir/site}',
      'cache-control': 'public, max-age=29030400, immutable'
    }
  },
  {
    name: 'lists a directory as a page',
    path: '/ipfs/{dir}/',
    status: 200,
    body: /Index of .*ascii\.txt/s,
    expect: {
      etag: /^"DirIndex-.*_CID-/,
      'cache-control': 'public, max-age=604800, stale-while-revalidate=2678400',
      'content-type': 'text/html; charset=utf-8'
    }
  },
  { name: 'has no way up from a root', path: '/ipfs/{dir}/', status: 200, body: /^(?!.*>\.\.<)/s },
  {
    name: 'has a way up from below',
    path: '/ipfs/{dir}/subdir/',
    status: 200,
    body: /<a href="\/ipfs\/[a-z0-9]+\/subdir\/\.\.">\.\.<\/a>/
  },
  {
    name: 'escapes names',
    path: '/ipfs/{dir}/subdir/',
    status: 200,
    body: /^(?!.*<img).*&#60;img src=x&#62;&#38;&#34;\.txt/s
  },
  {
    name: 'lists a directory as JSON by parameter',
    path: '/ipfs/{dir}/subdir?format=json',
    status: 200,
    expect: { 'content-type': 'application/json' },
    body: /"name":"multiblock\.txt","type":"file","bytes":1026/
  },
  {
    name: 'lists a directory as JSON by header',
    path: '/ipfs/{dir}/subdir',
    headers: { accept: 'application/json' },
    status: 200,
    expect: { 'content-location': '/ipfs/{dir}/subdir?format=json' }
  },
  // caching
  ...[
    ['the etag', '"{dir/ascii.txt}"'],
    ['the third of a list', '"fakeEtag1", "fakeEtag2", "{dir/ascii.txt}"'],
    ['a weak one', 'W/"{dir/ascii.txt}"'],
    ['the wildcard', '*']
  ].map(([name, tag]): Case => ({
    name: `says 304 for ${name}`,
    path: '/ipfs/{dir}/ascii.txt',
    headers: { 'if-none-match': tag as string },
    status: 304,
    body: '',
    expect: { etag: '"{dir/ascii.txt}"' }
  })),
  {
    name: 'sends the file for another etag',
    path: '/ipfs/{dir}/ascii.txt',
    headers: { 'if-none-match': '"other"' },
    status: 200
  },
  {
    name: 'says 304 for a directory with index.html',
    path: '/ipfs/{dir}/site/',
    headers: { 'if-none-match': '"{dir/site}"' },
    status: 304
  },
  {
    name: 'answers only-if-cached when it is here',
    path: '/ipfs/{dir}?format=raw',
    headers: { 'cache-control': 'only-if-cached' },
    status: 200
  },
  {
    name: 'answers HEAD only-if-cached when it is here',
    path: '/ipfs/{dir}?format=raw',
    method: 'HEAD',
    headers: { 'cache-control': 'only-if-cached' },
    status: 200
  },
  {
    name: 'says 412 to only-if-cached when it is not here',
    path: '/ipfs/QmYzfKSE55XCjD1MW128RfciAf2DViABhEiXfgVFMabSjN',
    headers: { 'cache-control': 'only-if-cached' },
    status: 412
  },
  {
    name: 'says 412 to HEAD only-if-cached when it is not here',
    path: '/ipfs/QmYzfKSE55XCjD1MW128RfciAf2DViABhEiXfgVFMabSjN',
    method: 'HEAD',
    headers: { 'cache-control': 'only-if-cached' },
    status: 412
  },
  // ranges
  {
    name: 'sends a range',
    path: '/ipfs/{dir}/ascii.txt',
    headers: { range: 'bytes=6-16' },
    status: 206,
    body: ASCII.slice(6, 17),
    expect: { 'content-range': 'bytes 6-16/31', 'content-length': '11' }
  },
  {
    name: 'sends the end',
    path: '/ipfs/{dir}/ascii.txt',
    headers: { range: 'bytes=-3' },
    status: 206,
    body: ASCII.slice(28),
    expect: { 'content-range': 'bytes 28-30/31' }
  },
  {
    name: 'sends an open range',
    path: '/ipfs/{dir}/subdir/multiblock.txt',
    headers: { range: 'bytes=1000-' },
    status: 206,
    body: MULTIBLOCK.slice(1000),
    expect: { 'content-range': 'bytes 1000-1025/1026' }
  },
  {
    name: 'sends several ranges',
    path: '/ipfs/{dir}/ascii.txt',
    headers: { range: 'bytes=6-16,0-4' },
    status: 206,
    expect: { 'content-type': /^multipart\/byteranges; boundary=/ },
    body: /Content-Range: bytes 6-16\/31\r\n\r\napplication\r\n.*Content-Range: bytes 0-4\/31\r\n\r\nhello\r\n--.*--\r\n$/s
  },
  {
    name: 'says 416 behind the end',
    path: '/ipfs/{dir}/ascii.txt',
    headers: { range: 'bytes=31-' },
    status: 416,
    expect: { 'content-range': 'bytes */31' }
  },
  { name: 'ignores a malformed range', path: '/ipfs/{dir}/ascii.txt', headers: { range: 'bytes=5-2' }, status: 200 },
  { name: 'ignores another unit', path: '/ipfs/{dir}/ascii.txt', headers: { range: 'rows=1-2' }, status: 200 },
  {
    name: 'sends the range when If-Range holds',
    path: '/ipfs/{dir}/ascii.txt',
    headers: { range: 'bytes=0-4', 'if-range': '"{dir/ascii.txt}"' },
    status: 206
  },
  {
    name: 'sends all when If-Range does not hold',
    path: '/ipfs/{dir}/ascii.txt',
    headers: { range: 'bytes=0-4', 'if-range': '"other"' },
    status: 200,
    body: ASCII
  },
  {
    name: 'needs no block behind a range',
    path: '/ipfs/{holes}',
    headers: { range: 'bytes=0-4' },
    status: 206,
    body: 'hello'
  },
  {
    name: 'needs no block before a range',
    path: '/ipfs/{holes}',
    headers: { range: 'bytes=331-334' },
    status: 206,
    body: 'last'
  },
  {
    name: 'has the same headers without body for HEAD',
    path: '/ipfs/{dir}/subdir/multiblock.txt',
    method: 'HEAD',
    status: 200,
    body: '',
    expect: { 'content-length': '1026', etag: '"{dir/subdir/multiblock.txt}"' }
  },
  // trustless: raw
  {
    name: 'sends a block by parameter',
    path: '/ipfs/{dir}/subdir?format=raw',
    status: 200,
    expect: {
      'content-type': 'application/vnd.ipld.raw',
      etag: '"{dir/subdir}.raw"',
      'content-disposition': 'attachment; filename="{dir/subdir}.bin"',
      'x-content-type-options': 'nosniff',
      'cache-control': 'public, max-age=29030400, immutable'
    }
  },
  {
    name: 'sends a block by header',
    path: '/ipfs/{dir/ascii.txt}',
    headers: RAW,
    status: 200,
    body: ASCII,
    expect: {
      'content-length': '31',
      'content-location': '/ipfs/{dir/ascii.txt}?format=raw',
      'x-ipfs-roots': '{dir/ascii.txt}'
    }
  },
  {
    name: 'names a block as asked',
    path: '/ipfs/{dir/ascii.txt}?filename=foobar.bin',
    headers: RAW,
    status: 200,
    expect: { 'content-disposition': 'attachment; filename="foobar.bin"' }
  },
  {
    name: 'sends a range of a block',
    path: '/ipfs/{dir/ascii.txt}?format=raw',
    headers: { range: 'bytes=6-16' },
    status: 206,
    body: ASCII.slice(6, 17),
    expect: { 'content-type': 'application/vnd.ipld.raw' }
  },
  {
    name: 'says 304 for a block',
    path: '/ipfs/{dir/ascii.txt}?format=raw',
    headers: { 'if-none-match': '"{dir/ascii.txt}.raw"' },
    status: 304
  },
  { name: 'sends the inline bytes of a probe', path: '/ipfs/bafkqaaa?format=raw', status: 200, body: '' },
  {
    name: 'prefers the parameter to the header',
    path: '/ipfs/{dir}?format=raw',
    headers: { accept: 'application/vnd.ipld.car' },
    status: 200,
    expect: { 'content-type': 'application/vnd.ipld.raw' }
  },
  // dag-cbor
  { name: 'follows links in dag-cbor', path: '/ipfs/{document}/files/single', status: 200, body: ASCII },
  { name: 'follows lists in dag-cbor', path: '/ipfs/{document}/list/1/ascii.txt', status: 200, body: ASCII },
  { name: 'says 404 for a value that is no link', path: '/ipfs/{document}/note', status: 404 },
  {
    name: 'sends dag-cbor as it is',
    path: '/ipfs/{document}',
    status: 200,
    expect: { 'content-type': 'application/vnd.ipld.dag-cbor', etag: '"{document}"' }
  },
  { name: 'says 406 for dag-cbor of a file', path: '/ipfs/{dir}/ascii.txt?format=dag-cbor', status: 406 },
  { name: 'does not convert codecs', path: '/ipfs/{document}?format=dag-json', status: 406 },
  // errors
  { name: 'says 400 for what is no CID', path: '/ipfs/bafynotacid', status: 400 },
  {
    name: 'says 400 for a codec it does not serve',
    path: '/ipfs/baguqeeraq5uxagbbx3lgodbwlmcbqxzvqvqvuohlzypvpz2ldg7zlpnlbesa',
    status: 400
  },
  { name: 'says 400 for no CID', path: '/ipfs/', status: 400 },
  { name: 'says 400 for a broken escape', path: '/ipfs/{dir}/%E0%A4%A', status: 400 },
  { name: 'says 400 for an escaped slash', path: '/ipfs/{dir}/..%2f..%2fetc', status: 400 },
  { name: 'does not walk up', path: '/ipfs/{dir}/subdir/../ascii.txt', status: 404 },
  { name: 'says 404 outside of /ipfs', path: '/', status: 404 },
  { name: 'says 501 for names', path: '/ipns/example.org', status: 501 },
  { name: 'says 501 for tar', path: '/ipfs/{dir}?format=tar', status: 501 },
  { name: 'says 501 for records of names', path: '/ipfs/{dir}?format=ipns-record', status: 501 },
  { name: 'says 400 for an unknown format', path: '/ipfs/{dir}?format=zip', status: 400 },
  {
    name: 'says 406 when it makes nothing that is accepted',
    path: '/ipfs/{dir}',
    headers: { accept: 'application/x-tar' },
    status: 406
  },
  { name: 'says 400 for an unknown scope', path: '/ipfs/{dir}?format=car&dag-scope=some', status: 400 },
  { name: 'says 400 for malformed entity bytes', path: '/ipfs/{dir}?format=car&entity-bytes=a:b', status: 400 },
  {
    name: 'says 400 for entity bytes behind the file',
    path: '/ipfs/{dir}/ascii.txt?format=car&entity-bytes=31:*',
    status: 400
  },
  { name: 'says 400 for another version of CAR', path: '/ipfs/{dir}?format=car&car-version=2', status: 400 },
  {
    name: 'refuses to write',
    path: '/ipfs/{dir}',
    method: 'PUT',
    status: 405,
    expect: { allow: 'GET, HEAD, OPTIONS' }
  },
  {
    name: 'refuses a service worker for a whole root',
    path: '/ipfs/{dir}',
    headers: { 'service-worker': 'script' },
    status: 400
  },
  // CORS
  {
    name: 'allows other origins',
    path: '/ipfs/bafkqabtimvwgy3yk',
    status: 200,
    body: 'hello\n',
    expect: { 'access-control-allow-origin': '*', 'access-control-expose-headers': /X-Ipfs-Roots/ }
  },
  {
    name: 'answers a preflight',
    path: '/ipfs/{dir}',
    method: 'OPTIONS',
    status: 204,
    expect: { 'access-control-allow-methods': 'GET, HEAD, OPTIONS', 'access-control-allow-headers': /Range/ }
  }
]

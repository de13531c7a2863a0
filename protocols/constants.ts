/**
 * Identifiers, limits and deadlines of the wire protocols. Each number comes with its rationale; the spec page of each protocol repeats those that
 * other implementations need.
 */
import type { CID } from 'multiformats/cid'
import { MAX_MANIFEST_BYTES } from '../src/distribute/manifest.ts'
import { SET_DIGEST_BYTES } from '../src/merge/record-digest.ts'

export const SYNC_PROTOCOL = '/coopt/sync/1.0.0'
export const REFERENCE_PROTOCOL = '/coopt/reference/1.0.0'
export const BLOCKS_PROTOCOL = '/coopt/blocks/1.0.0'
/** Our own Kademlia network, separate from the public one. */
export const KAD_PROTOCOL = '/coopt/kad/1.0.0'
/** Members of a swarm find each other on the LAN under our own name, so that other libp2p programs are not contacted. */
export const MDNS_SERVICE_TAG = '_coopt._udp.local'

/** Gossip topic of a swarm: one per swarm, so that nodes do not relay for swarms that they are not in. */
export function recordTopic(swarm: CID): string {
  return `/coopt/records/1/${swarm}`
}

// --- framing ---

/** A length prefix is an unsigned varint of at most 4 bytes: 256 MiB, far above the largest frame, and it cannot overflow. */
export const MAX_PREFIX_BYTES = 4

/** A receiver stops reading from the network while it buffers this much unrequested data. */
export const READ_AHEAD_BYTES = 256 * 1024

/** A writer waits while the stream buffers more than this; with another piece it stays far below the 4 MiB at which the stream is reset. */
export const WRITE_AHEAD_BYTES = 256 * 1024

// --- gossip ---

/** A lease has four numbers, two keys and a signature: about 250 bytes. */
export const MAX_LEASE_BYTES = 512

/** An intent has a number, two keys and a signature: about 230 bytes. */
export const MAX_INTENT_BYTES = 512

/** Authors whose intents are passed on at a time: whoever waits needs to know of one, and a thousand that start together must not crowd out records. */
export const MAX_LIVE_INTENTS = 16

/** Per sending peer. A swarm of 100 produces about 4 messages a second (measured); a peer forwards those of all others. */
export const GOSSIP_MESSAGES_PER_SECOND = 20
export const GOSSIP_BURST = 100

/** Per author: a lease is renewed every third of a minute or so; the burst covers taking up many short tasks. */
export const LEASES_PER_SECOND = 1
export const LEASE_BURST = 30

/** Lease counters remembered, oldest forgotten first: four for every partition of the largest manifest. */
export const MAX_TRACKED_LEASES = 8192

// --- sync ---

/** First frame of a session: a set digest (4 KiB) or 256 CIDs of 36 bytes, with room for the cbor around them. */
export const MAX_SYNC_REQUEST_BYTES = 16 * 1024
/** One page of names: 2,000 digests of 32 bytes, and the cbor around them. */
export const MAX_NAMES_PAGE_BYTES = 64 * 1024
export const NAMES_PER_PAGE = 2000
/** Names sent in one session; the rest follows in the next. They take 4 MiB of memory on the other side. */
export const MAX_NAMES_PER_SESSION = 131_072
/** One batch of records; a few ms of signature checks each. */
export const MAX_RECORDS_BATCH_BYTES = 256 * 1024
/** Record bytes sent in one session and direction; the rest follows in the next. */
export const MAX_RECORD_BYTES_PER_SESSION = 16 * 1024 * 1024
export const MAX_CIDS_PER_HOLDS = 256
export const MAX_MANIFEST_FRAME_BYTES = MAX_MANIFEST_BYTES + 1024

/** A session must make progress: every frame within this time … */
export const SYNC_FRAME_TIMEOUT_MS = 10_000
/** … and end within this, whatever the other side does. */
export const SYNC_SESSION_TIMEOUT_MS = 60_000
/**
 * Per peer. In a swarm of two the members choose each other up to 12 times a minute, every connection begins with a session, and asking which shards
 * of the largest manifest a peer holds takes 8.
 */
export const SYNC_SESSIONS_PER_MINUTE = 60
export const SYNC_BURST = 20
export const MAX_SYNC_SESSIONS = 32

// --- reference ---

export const MAX_REFERENCE_REQUEST_BYTES = 1024
export const MAX_REFERENCE_HEADER_BYTES = 256
/** Read from the store and sent in pieces of this size. */
export const REFERENCE_CHUNK_BYTES = 256 * 1024
/** Per peer. A late joiner fetches the matrices of all scores, 1 MiB each and often from one peer: 32 at once, then 5 a second. */
export const REFERENCE_REQUESTS_PER_SECOND = 5
export const REFERENCE_BURST = 32
/** For all peers together: about ten late joiners at once. */
export const REFERENCE_TOTAL_REQUESTS_PER_SECOND = 20
export const REFERENCE_TOTAL_BURST = 256
export const MAX_REFERENCE_STREAMS = 32
/** The largest matrix (64 MiB) at 128 KiB/s takes 9 minutes; a longer transfer is resumed by another request. */
export const REFERENCE_SESSION_TIMEOUT_MS = 10 * 60_000
// --- blocks ---

/** Blocks of one request: leaves of 1 MiB as a rule, so 64 MiB, twice what a line of 1 Gbit/s and 200 ms holds. */
export const MAX_BLOCKS_PER_REQUEST = 64
/** 64 CIDs of 41 bytes each, and 1 KiB of extensions. */
export const MAX_BLOCKS_REQUEST_BYTES = 4096
export const MAX_BLOCKS_HEADER_BYTES = 256
/** The largest block that IPFS implementations exchange. */
export const MAX_SENT_BLOCK_BYTES = 2 * 1024 * 1024
/** Sent and received in pieces of this size: each shows that the other side is alive. */
export const BLOCKS_PIECE_BYTES = 64 * 1024
/**
 * The sender's pieces where the line takes more than `BLOCKS_FAST_BYTES_PER_SECOND`. Each is a frame of yamux, answered by an update of the window,
 * and with its header of 12 bytes fills four messages of noise; measured a quarter less CPU time a byte than with 64 KiB. On a slow line it would hold
 * up other streams of the connection.
 */
export const BLOCKS_LARGE_PIECE_BYTES = 4 * (65_535 - 16) - 12
export const BLOCKS_FAST_BYTES_PER_SECOND = 2 * 1024 * 1024
/**
 * Longest wait for the next piece: 1 KiB/s, a line of 256 kbit/s that 30 transfers share. There is no limit on the whole: a slow peer is served, and
 * does not delay those that have another holder.
 */
export const BLOCKS_STALL_MS = 60_000
/** A stream without a request ends after this; the client closes its own after 10 s. */
export const BLOCKS_IDLE_MS = 60_000
/** Per peer. A late joiner asks for thousands of small files, one request each; disk and line bound the rest. */
export const BLOCKS_REQUESTS_PER_SECOND = 500
export const BLOCKS_BURST = 4096
/** Streams of all peers: each has one block in memory and one being read, 4 MiB at most. */
export const MAX_BLOCKS_STREAMS = 64
/** Per peer behind a relay, whose line this is: 1 GiB an hour, after 256 MiB at once. */
export const RELAYED_BYTES_PER_SECOND = 300_000
export const RELAYED_BURST_BYTES = 256 * 1024 * 1024

/** Open streams of one protocol per connection. */
export const MAX_STREAMS_PER_PEER = 4

/** A request must be complete, and the first byte of an answer received, within this time. */
export const REQUEST_TIMEOUT_MS = 5000
/** A slower peer is abandoned for another one (after the first `REQUEST_TIMEOUT_MS`). */
export const MIN_BYTES_PER_SECOND = 16 * 1024
/** After we close our end of a stream, the other side must close its own within this time, or the stream is reset. */
export const CLOSE_TIMEOUT_MS = 5000
/** Dialing and negotiating a protocol. */
export const DIAL_TIMEOUT_MS = 10_000

/** Keys that a rate limiter keeps, least recently used forgotten first, so that throw-away identities cannot exhaust memory. */
export const MAX_LIMITED_KEYS = 4096

/** Consistency of the numbers above, checked once at load. */
if (SET_DIGEST_BYTES + 1024 > MAX_SYNC_REQUEST_BYTES) throw new RangeError('a set digest does not fit a sync request')

import NIOCore
import P2PCore
import P2PIdentity
import P2PPlaintext

/// The exchange of a plaintext connection: however the bytes are cut, the verdict is the same; who is believed has an id that fits.
enum PlaintextFuzzing {
    private struct Outcome: Equatable {
        var claimed: PeerID?
        var failure: PlaintextError.Code?
        /// Bytes that were left for others.
        var left = 0
    }

    static func run(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let seed = input.byte()
        let expected = input.byte() & 1 == 0 ? nil : FuzzIdentity.peer
        let message = input.remainder()
        let whole = Self.outcome([message], expecting: expected)
        let pieces = Self.outcome(FuzzInput.pieces(of: message, seed: seed), expecting: expected)
        precondition(whole == pieces, "cut by \(seed): \(pieces); in one piece: \(whole)")
        if let expected, let claimed = whole.claimed { precondition(claimed == expected, "\(claimed) is taken for \(expected)") }
    }

    private static func outcome(_ pieces: [[UInt8]], expecting expected: PeerID?) -> Outcome {
        var exchange = PlaintextExchange(key: FuzzIdentity.key, expecting: expected)
        var outcome = Outcome()
        for piece in pieces {
            guard outcome.claimed == nil else {
                outcome.left += piece.count
                continue
            }
            var buffer = ByteBuffer(bytes: piece)
            do throws(PlaintextError) {
                switch try exchange.received(&buffer) {
                case .more: precondition(buffer.readableBytes == 0, "bytes are left though more are wanted")
                case .claimed(let peer, let key):
                    precondition(PeerID(key) == peer, "the key of another peer")
                    outcome.claimed = peer
                    outcome.left += buffer.readableBytes
                }
            } catch {
                outcome.failure = error.code
                return outcome
            }
        }
        return outcome
    }
}

import NIOCore
import P2PCore
import P2PNegotiation

/// Multistream-select: however the bytes are cut, the outcome is the same, and two honest sides agree on the first common protocol.
enum MultistreamFuzzing {
    private static let names: [ProtocolID] = [
        "/noise", "/yamux/1.0.0", "/ipfs/ping/1.0.0", "/ipfs/id/1.0.0", "/a", "/multistream/1.0.0", "n",
    ]

    /// How a negotiation went, in a form that can be compared.
    private struct Outcome: Equatable {
        var verdict: String
        var reply: [UInt8]
        var rest: [UInt8]
    }

    static func run(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let choice = input.byte()
        let table = Self.table(input.byte())
        let seed = input.byte()
        if choice % 3 == 2 {
            Self.pair(table, Self.table(input.byte()), seed: seed)
            return
        }
        let peer = input.remainder()
        let whole = Self.negotiate(choice % 3 == 0, table, [peer])
        let pieces = Self.negotiate(choice % 3 == 0, table, FuzzInput.pieces(of: peer, seed: seed))
        precondition(whole == pieces, "cut by \(seed): \(pieces); in one piece: \(whole)")
    }

    private static func table(_ choice: UInt8) -> [ProtocolID] {
        Self.names.indices.filter { choice >> UInt8($0) & 1 == 1 }.map { Self.names[$0] }
    }

    private static func negotiate(_ isDialer: Bool, _ protocols: [ProtocolID], _ pieces: [[UInt8]]) -> Outcome {
        var outcome = Outcome(verdict: "more", reply: [], rest: [])
        var opening = ByteBuffer()
        var negotiation =
            isDialer
            ? Negotiation(proposing: NegotiationTable(protocols), opening: &opening) : Negotiation(accepting: NegotiationTable(protocols))
        var buffer = ByteBuffer()
        for piece in pieces {
            buffer.writeBytes(piece)
            guard outcome.verdict == "more" else { continue }
            var reply = ByteBuffer()
            let before = buffer.readableBytes
            let progress = negotiation.received(&buffer, reply: &reply)
            precondition(buffer.readableBytes <= before)
            outcome.reply += Array(reply.readableBytesView)
            switch progress {
            case .more:
                precondition(
                    buffer.readableBytes <= Negotiation.maximumMessageLength + 2, "\(buffer.readableBytes) bytes are not a message yet")
            case .agreed(let protocolID):
                precondition(protocols.contains(protocolID), "agreed on \(protocolID), which was not offered")
                outcome.verdict = "agreed on \(protocolID)"
            // The words tell of what was there: a whole message, or the first bytes of one that can't be right.
            case .failed(let error): outcome.verdict = "failed: \(error.code)"
            }
        }
        if outcome.verdict.hasPrefix("agreed") { outcome.rest = Array(buffer.readableBytesView) }
        return outcome
    }

    private static func pair(_ dialers: [ProtocolID], _ listeners: [ProtocolID], seed: UInt8) {
        var forth = ByteBuffer()
        var back = ByteBuffer()
        var dialer = Negotiation(proposing: NegotiationTable(dialers), opening: &forth)
        var listener = Negotiation(accepting: NegotiationTable(listeners))
        var dialerInput = ByteBuffer()
        var listenerInput = ByteBuffer()
        var verdicts: (dialer: ProtocolID?, listener: ProtocolID?)
        var hasFailed = false
        var rounds = 0
        while forth.readableBytes > 0 || back.readableBytes > 0, !hasFailed {
            rounds += 1
            precondition(rounds <= 2 * Negotiation.maximumMessages, "two honest sides go on and on")
            for piece in FuzzInput.pieces(of: Self.taken(&forth), seed: seed) where verdicts.listener == nil {
                listenerInput.writeBytes(piece)
                switch listener.received(&listenerInput, reply: &back) {
                case .more: break
                case .agreed(let protocolID): verdicts.listener = protocolID
                case .failed(let error): preconditionFailure("the listener fails: \(error)")
                }
            }
            for piece in FuzzInput.pieces(of: Self.taken(&back), seed: seed) where verdicts.dialer == nil && !hasFailed {
                dialerInput.writeBytes(piece)
                switch dialer.received(&dialerInput, reply: &forth) {
                case .more: break
                case .agreed(let protocolID): verdicts.dialer = protocolID
                case .failed(let error):
                    precondition(error.code == .noCommonProtocol, "the dialer fails: \(error)")
                    hasFailed = true
                }
            }
        }
        let common = dialers.first { listeners.contains($0) }
        precondition(verdicts.dialer == common && verdicts.listener == common, "\(verdicts) instead of \(String(describing: common))")
        precondition(dialerInput.readableBytes == 0 && listenerInput.readableBytes == 0)
    }

    private static func taken(_ buffer: inout ByteBuffer) -> [UInt8] {
        defer { buffer.clear() }
        return Array(buffer.readableBytesView)
    }

    static func lazyExpectation(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let entry = NegotiationTable.entry(Self.names[input.number(below: Self.names.count)])
        let seed = input.byte()
        let peer = input.remainder()
        let agreement = Array(entry.opening.readableBytesView)
        let refusal = Array(NegotiationTable.header.readableBytesView) + Array(NegotiationTable.notAvailable.readableBytesView)
        var expectation = entry.expectation
        var taken = 0
        var verdict = "more"
        for piece in FuzzInput.pieces(of: peer, seed: seed) where verdict == "more" {
            var buffer = ByteBuffer(bytes: piece)
            switch expectation.consume(&buffer) {
            case .more: precondition(buffer.readableBytes == 0, "an answer that is not complete leaves bytes")
            case .met: verdict = "met"
            case .failed(let error): verdict = error.code == .protocolNotSupported ? "refused" : "failed"
            }
            taken += piece.count - buffer.readableBytes
        }
        switch verdict {
        case "met": precondition(peer.starts(with: agreement) && taken == agreement.count)
        case "refused": precondition(peer.starts(with: refusal) && !peer.starts(with: agreement))
        case "failed": precondition(!peer.starts(with: agreement) && !peer.starts(with: refusal))
        default: precondition(agreement.starts(with: peer) || refusal.starts(with: peer), "\(peer) is still waited on")
        }
    }
}

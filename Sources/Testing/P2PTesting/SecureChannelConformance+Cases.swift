import NIOCore
import NIOEmbedded
import P2PCore
import P2PIdentity
import P2PPipeline

extension SecureChannelConformance {
    private static let message = Array("the quick brown fox".utf8)

    private func transportError<Success>(_ result: Result<Success, any Error>?, _ what: String) throws -> TransportError {
        guard let result else { throw ConformanceFailure("\(what): it neither failed nor succeeded") }
        guard case .failure(let error) = result else { throw ConformanceFailure("\(what): it succeeded") }
        guard let error = error as? TransportError else { throw ConformanceFailure("\(what): a TransportError was expected", cause: error) }
        return error
    }

    func proves(_ sides: SecureSides, pieceSize: Int) throws {
        let (dialer, listener) = try SecurePair(sides).handshake(pieceSize: pieceSize)
        try demand(dialer.remotePeer, is: sides.listenerPeer, "whom the dialer reached")
        try demand(listener.remotePeer, is: sides.dialerPeer, "whom the listener let in")
        try demand(PeerID(dialer.remoteKey), is: sides.listenerPeer, "whose key the dialer got")
        try demand(PeerID(listener.remoteKey), is: sides.dialerPeer, "whose key the listener got")
    }

    func pinsTheExpectedPeer(_ sides: SecureSides) throws {
        _ = try SecurePair(sides, dialerExpects: sides.listenerPeer, listenerExpects: sides.dialerPeer).handshake()
    }

    func refusesTheWrongListener(_ sides: SecureSides) throws {
        let pair = try SecurePair(sides, dialerExpects: sides.dialerPeer)
        pair.carry()
        let error = try self.transportError(pair.dialerResult, "a dialer that reached another peer")
        try demand(error.code, is: .peerMismatch, "why the dialer gave up")
        try demand(!pair.dialer.isActive, "the dialer closes the channel to the wrong peer")
    }

    func refusesTheWrongDialer(_ sides: SecureSides) throws {
        let pair = try SecurePair(sides, listenerExpects: sides.listenerPeer)
        pair.carry()
        let error = try self.transportError(pair.listenerResult, "a listener that was reached by another peer")
        try demand(error.code, is: .peerMismatch, "why the listener gave up")
        try demand(!pair.listener.isActive, "the listener closes the channel to the wrong peer")
    }

    func carriesBytesBothWays(_ sides: SecureSides) throws {
        let pair = try SecurePair(sides)
        let (dialer, listener) = try pair.handshake()
        let there = Array(MuxerConformance.pattern(self.bulk, seed: 1).readableBytesView)
        let back = Array(MuxerConformance.pattern(self.bulk, seed: 2).readableBytesView)
        SecurePair.send(there, through: dialer)
        SecurePair.send(back, through: listener)
        pair.carry()
        try demand(pair.inbound(of: pair.listener) == there, "\(self.bulk) bytes reach the listener unchanged")
        try demand(pair.inbound(of: pair.dialer) == back, "\(self.bulk) bytes reach the dialer unchanged")
    }

    func carriesFullRecords(_ sides: SecureSides, pieceSize: Int) throws {
        let pair = try SecurePair(sides)
        let (dialer, _) = try pair.handshake()
        for size in [1, 2, dialer.records.layout.maximumPayload - 1, dialer.records.layout.maximumPayload] {
            let bytes = Array(MuxerConformance.pattern(size).readableBytesView)
            SecurePair.send(bytes, through: dialer)
            pair.carry(pieceSize: pieceSize)
            try demand(pair.inbound(of: pair.listener) == bytes, "a record of \(size) bytes arrives unchanged")
        }
        // What negotiates the muxer writes into the pipeline.
        pair.listener.writeAndFlush(ByteBuffer(bytes: Self.message), promise: nil)
        pair.carry(pieceSize: pieceSize)
        try demand(pair.inbound(of: pair.dialer), is: Self.message, "what is written into the pipeline behind the secure channel")
    }

    func installsBeforeTheFirstRecord(_ sides: SecureSides) throws {
        let pair = try SecurePair(sides)
        // The dialer is done first, or last: either way its first record comes along with the last of the handshake.
        var isSent = false
        pair.carry { flight, _ in
            guard !isSent, case .success(let dialer)? = pair.dialerResult else { return }
            isSent = true
            SecurePair.send(Self.message, through: dialer)
            flight += pair.outbound(of: pair.dialer)
        }
        if !isSent, case .success(let dialer)? = pair.dialerResult { SecurePair.send(Self.message, through: dialer) }
        pair.carry()
        guard case .success? = pair.listenerResult else { throw ConformanceFailure("the listener is not done") }
        try demand(pair.inbound(of: pair.listener), is: Self.message, "a record right behind the handshake")
    }

    /// The bytes of a handshake that nobody disturbs, both ways together.
    private func handshakeLength(_ sides: SecureSides) throws -> Int {
        let pair = try SecurePair(sides)
        _ = try pair.handshake()
        guard let length = pair.handshakeLength else { throw ConformanceFailure("the handshake has no end") }
        return length - self.lengthVariation
    }

    func neverTrustsATamperedHandshake(_ sides: SecureSides) throws {
        let length = try self.handshakeLength(sides)
        for offset in Swift.stride(from: 0, to: length, by: self.stride) {
            var isChanged = false
            let pair = try SecurePair(sides)
            pair.carry { flight, before in
                let index = offset - before
                if flight.indices.contains(index), !self.isIgnored(flight, index) {
                    flight[index] ^= 1 << UInt8(offset % 8)
                    isChanged = true
                }
            }
            let isTrusted = pair.isTrusted
            // Whoever still waits for bytes that the change promised is told of the end.
            for channel in [pair.dialer, pair.listener] { channel.close(promise: nil) }
            pair.dialer.embeddedEventLoop.run()
            pair.listener.embeddedEventLoop.run()
            try demand(!isTrusted || !isChanged, "nobody trusts a handshake whose byte \(offset) was changed")
            try demand(pair.dialerResult != nil && pair.listenerResult != nil, "both sides are done after byte \(offset) was changed")
        }
    }

    func refusesATamperedRecord(_ sides: SecureSides) throws {
        let sample = try SecurePair(sides)
        SecurePair.send(Self.message, through: try sample.handshake().dialer)
        let length = sample.outbound(of: sample.dialer).count
        for bit in 0..<(length * 8) {
            let pair = try SecurePair(sides)
            SecurePair.send(Self.message, through: try pair.handshake().dialer)
            var record = pair.outbound(of: pair.dialer)
            record[bit / 8] ^= 1 << UInt8(bit % 8)
            pair.deliver(record, to: pair.listener)
            try demand(pair.inbound(of: pair.listener), is: [], "nothing of a record whose bit \(bit) was changed")
            // A longer length may only make it wait for more.
            pair.deliver([UInt8](repeating: 0, count: 1 << 16), to: pair.listener)
            try demand(pair.inbound(of: pair.listener), is: [], "nothing of a record whose bit \(bit) was changed, nor of what follows")
            try demand(!pair.listener.isActive, "the channel is closed after bit \(bit) was changed")
        }
    }

    func refusesAReplayedRecord(_ sides: SecureSides) throws {
        let pair = try SecurePair(sides)
        SecurePair.send(Self.message, through: try pair.handshake().dialer)
        let record = pair.outbound(of: pair.dialer)
        pair.deliver(record, to: pair.listener)
        try demand(pair.inbound(of: pair.listener), is: Self.message, "the record")
        pair.deliver(record, to: pair.listener)
        try demand(pair.inbound(of: pair.listener), is: [], "the record, replayed")
        try demand(!pair.listener.isActive, "the channel is closed after a replay")
    }

    /// Without authentication, a record is nothing but its bytes: changed and repeated, they arrive as they are.
    func passesOnWhatComes(_ sides: SecureSides, times: Int) throws {
        let pair = try SecurePair(sides)
        SecurePair.send(Self.message, through: try pair.handshake().dialer)
        var record = pair.outbound(of: pair.dialer)
        try demand(record, is: Self.message, "a record of a channel that authenticates nothing")
        record[0] ^= 1
        for _ in 0..<times {
            pair.deliver(record, to: pair.listener)
            try demand(pair.inbound(of: pair.listener), is: record, "bytes that were changed on the way")
        }
        try demand(pair.listener.isActive, "the channel stays open")
    }

    func failsOnTheEndOfTheHandshakeAnywhere(_ sides: SecureSides) throws {
        let length = try self.handshakeLength(sides)
        for offset in Swift.stride(from: 0, to: length, by: self.stride) {
            let pair = try SecurePair(sides)
            var isCut = false
            pair.carry { flight, before in
                if before + flight.count > offset {
                    flight = Array(flight.prefix(max(0, offset - before)))
                    isCut = true
                }
            }
            try demand(isCut, "the handshake is as long as it was before")
            let isTrusted = pair.isTrusted
            for channel in [pair.dialer, pair.listener] { channel.close(promise: nil) }
            pair.dialer.embeddedEventLoop.run()
            pair.listener.embeddedEventLoop.run()
            try demand(pair.dialerResult != nil && pair.listenerResult != nil, "both sides are done after a cut at byte \(offset)")
            try demand(!isTrusted, "nobody trusts a handshake that was cut at byte \(offset)")
        }
    }

    func failsOnGarbage(_ sides: SecureSides) throws {
        for byte in [UInt8(0x00), 0x01, 0x16, 0x7f, 0xff] {
            let pair = try SecurePair(sides)
            let garbage = [UInt8](repeating: byte, count: 200_000)
            pair.deliver(garbage, to: pair.listener)
            pair.deliver(garbage, to: pair.dialer)
            _ = try self.transportError(pair.listenerResult, "a listener that was sent garbage")
            _ = try self.transportError(pair.dialerResult, "a dialer that was sent garbage")
            try demand(!pair.listener.isActive && !pair.dialer.isActive, "garbage closes the channel")
        }
    }

    func agreesOnTheMuxerEarly(_ sides: SecureSides) throws {
        let offers: [(dialer: [ProtocolID], listener: [ProtocolID], agreed: ProtocolID?)] = [
            (["/a", "/b"], ["/b", "/a"], "/a"), (["/a"], ["/b"], nil), (["/a"], [], nil), ([], ["/a"], nil), (["/b", "/c"], ["/c"], "/c"),
        ]
        for offer in offers {
            let pair = try SecurePair(sides, dialerMuxers: offer.dialer, listenerMuxers: offer.listener)
            let (dialer, listener) = try pair.handshake()
            let agreed = self.hasEarlyMuxers ? offer.agreed : nil
            try demand(dialer.earlyMuxer, is: agreed, "the dialer's muxer of \(offer.dialer) and \(offer.listener)")
            try demand(listener.earlyMuxer, is: agreed, "the listener's muxer of \(offer.dialer) and \(offer.listener)")
        }
    }

    func showsAppMetadata(_ sides: SecureSides) throws {
        let (dialer, listener) = try SecurePair(sides).handshake()
        try demand(
            dialer.appMetadata, is: self.hasAppMetadata ? Array("listener".utf8) : nil, "what the listener's application attached")
        try demand(listener.appMetadata, is: self.hasAppMetadata ? Array("dialer".utf8) : nil, "what the dialer's application attached")
    }
}

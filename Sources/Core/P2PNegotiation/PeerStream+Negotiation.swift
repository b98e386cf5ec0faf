import NIOCore
package import P2PCore

extension PeerStream {
    /// Proposes a single protocol without waiting for the answer.
    ///
    /// The proposal leaves with the first write, or at the first read that has to wait; a refusal shows at the first read.
    package func proposeLazily(_ entry: NegotiationTable.Entry) {
        self.muxed.protocolID = entry.protocolID
        self.muxed.expect(entry.expectation)
        self.muxed.hold(entry.opening)
    }

    /// Proposes protocols, the preferred one first, and waits for the answer.
    package func propose(_ table: NegotiationTable) async throws(StreamError) -> ProtocolID {
        var opening = ByteBuffer()
        let negotiation = Negotiation(proposing: table, opening: &opening)
        try await self.write(opening)
        return try await self.run(negotiation)
    }

    /// Lets the peer propose, and answers. What the handler writes in the same turn of the loop shares the agreement's record.
    package func accept(_ table: NegotiationTable) async throws(StreamError) -> ProtocolID {
        try await self.run(Negotiation(accepting: table))
    }

    /// What ``accept(_:)`` would return, if what has arrived suffices; nil, and nothing taken, when it has to wait.
    ///
    /// Most peers send their proposal with the first bytes, so this saves a stream the frames of waiting.
    package func acceptAtOnce(_ table: NegotiationTable) -> ProtocolID? {
        guard case .bytes(let arrived) = self.muxed.tryRead(upTo: .max) else { return nil }
        var input = arrived
        var reply = ByteBuffer()
        var negotiation = Negotiation(accepting: table)
        guard case .agreed(let protocolID) = negotiation.received(&input, reply: &reply) else {
            self.muxed.unread(arrived)
            return nil
        }
        self.settle(on: protocolID, unread: input)
        // A failure shows at the handler's first read or write.
        _ = self.muxed.tryWrite(reply)
        return protocolID
    }

    private func settle(on protocolID: ProtocolID, unread rest: ByteBuffer) {
        if rest.readableBytes > 0 { self.muxed.unread(rest) }
        self.muxed.protocolID = protocolID
    }

    private func run(_ negotiation: consuming Negotiation) async throws(StreamError) -> ProtocolID {
        var input = ByteBuffer()
        while true {
            guard var bytes = try await self.read() else {
                await self.giveUp(afterRefusal: negotiation.hasRefused)
                throw StreamError(.negotiationFailed, "the peer finished before there was agreement on a protocol")
            }
            if input.readableBytes == 0 { input = bytes } else { input.writeBuffer(&bytes) }
            var reply = ByteBuffer()
            switch negotiation.received(&input, reply: &reply) {
            case .more:
                if reply.readableBytes > 0 { try await self.write(reply) }
            case .agreed(let protocolID):
                self.settle(on: protocolID, unread: input)
                if reply.readableBytes > 0 { try await self.write(reply) }
                return protocolID
            case .failed(let error):
                if reply.readableBytes > 0 { try await self.write(reply) }
                // Who asks without end has been answered often enough.
                await self.giveUp(afterRefusal: negotiation.hasRefused && error.code != .tooManyMessages)
                let code: StreamError.Code = error.code == .noCommonProtocol ? .protocolNotSupported : .negotiationFailed
                throw StreamError(code, error.message, cause: error)
            }
        }
    }

    /// Ends a stream without a protocol. A refusal goes out before: a reset alone would not say what was wrong.
    private func giveUp(afterRefusal hasRefused: Bool) async {
        if hasRefused { try? await self.finish() }
        self.reset(.protocolNegotiationFailed)
    }
}

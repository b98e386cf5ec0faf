import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr

/// Asks one server about one address.
struct AutoNATQuestion: Sendable {
    /// A server of the first version answers a failure after 15 s, one of the second has dial data and a pause before its dial.
    private static let time = Duration.seconds(60)
    /// Behind the server's answer, the number may still be under way.
    private static let nonceTime = Duration.seconds(5)

    let probe: AutoNATTracker.Probe
    let host: any HostAccess
    let room: DialBackRoom

    func ask() async -> AutoNATTracker.Outcome {
        let outcome = try? await StreamError.within(Self.time, on: self.host.clock, "AutoNAT") { () throws(StreamError) in
            do {
                return self.probe.server.speaksVersion2 ? try await self.askVersion2() : try await self.askVersion1()
            } catch let error as StreamError {
                throw error
            } catch {
                throw StreamError(.malformed, "the answer is malformed", cause: error)
            }
        }
        return outcome ?? .noAnswer
    }

    private func askVersion1() async throws -> AutoNATTracker.Outcome {
        let stream = try await self.host.openStream(on: self.probe.server.connection, protocols: [AutoNATProtocols.version1])
        try await stream.writeMessage(AutoNATv1Message(.dial(peer: self.host.peerID.bytes, addresses: [self.probe.address])).bytes)
        guard let bytes = try await stream.readMessage(upTo: AutoNATv1Message.maximumLength),
            case .response(let status, let text, let address) = try AutoNATv1Message(reading: bytes).body
        else { return .noAnswer }
        try? await stream.finish()
        return Self.outcome(status, text, address, asked: self.probe.address)
    }

    /// The server may have dialled the address from which it was asked, too: what it says of another than was meant says nothing.
    static func outcome(
        _ status: AutoNATv1Message.Status, _ text: String, _ address: Multiaddr?, asked: Multiaddr
    ) -> AutoNATTracker.Outcome {
        switch status {
        case .ok:
            guard let address, ThinWaist(address) == ThinWaist(asked) else { return .noAnswer }
            return .reached()
        case .dialError: return .notReached(text.isEmpty ? "the dial failed" : String(text.prefix(100)))
        default: return .noAnswer
        }
    }

    private func askVersion2() async throws -> AutoNATTracker.Outcome {
        guard let waist = ThinWaist(self.probe.address) else { return .noAnswer }
        // What is an address of this machine has the same port inside.
        let isOwn = self.host.listenAddresses.contains { ThinWaist($0) == waist }
        guard let nonce = self.room.expect(over: waist.transport, at: isOwn ? waist.port : nil) else { return .noAnswer }
        defer { self.room.forget(nonce) }
        let stream = try await self.host.openStream(on: self.probe.server.connection, protocols: [AutoNATProtocols.version2Request])
        try await stream.writeMessage(AutoNATv2Message.dialRequest([self.probe.address], nonce: nonce).bytes)
        var hasPaid = false
        while let bytes = try await stream.readMessage(upTo: AutoNATv2Message.maximumLength) {
            switch try AutoNATv2Message(reading: bytes) {
            case .dialDataRequest(address: 0, let count) where !hasPaid && count <= AutoNATv2Message.dialData.upperBound:
                hasPaid = true
                try await self.pay(Int(count), over: stream)
            case .dialResponse(let status, let index, let dial):
                try? await stream.finish()
                guard status == .ok, index == 0 else { return .noAnswer }
                return await self.outcome(dial, nonce)
            default: return .noAnswer
            }
        }
        return .noAnswer
    }

    private func pay(_ count: Int, over stream: PeerStream) async throws {
        var left = count
        while left > 0 {
            let length = max(AutoNATv2Message.leastDataLength, min(left, AutoNATv2Message.dataLength))
            try await stream.writeMessage(AutoNATv2Message.dialData(length).bytes)
            left -= length
        }
    }

    private func outcome(_ status: AutoNATv2Message.DialStatus, _ nonce: UInt64) async -> AutoNATTracker.Outcome {
        switch status {
        case .ok, .dialBackError:
            // The number proves it, whatever else is said; nothing else does.
            guard let visitor = await self.room.arrival(of: nonce, within: Self.nonceTime, on: self.host.clock) else { return .noAnswer }
            return .reached(visitor: visitor)
        case .dialError: return .notReached("the dial failed")
        default: return .noAnswer
        }
    }
}

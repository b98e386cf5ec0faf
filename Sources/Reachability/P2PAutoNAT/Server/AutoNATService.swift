import Logging
import NIOCore
public import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization

/// Tells peers whether they can be reached, by dialing them: the serving side of AutoNAT, both versions.
///
/// Nobody is dialled who did not ask, or who pays for it: the first version is dialled at its own IP address only; for another the second
/// version sends at least 30,000 bytes first. Private addresses, names, and peers behind relays are not dialled at all.
public struct AutoNATService: HostModule {
    private let makeDialer: @Sendable (HostPlan) async throws -> any DialBackDialer

    /// - Parameter makeDialer: makes what dials in the place of the host.
    public init(_ makeDialer: @escaping @Sendable (HostPlan) async throws -> any DialBackDialer) {
        self.makeDialer = makeDialer
    }

    /// Adds the protocols, and the dialer's task.
    ///
    /// - Throws: `TransportError` (`.invalidConfiguration`) where dials go through a proxy, for then the proxy would be tried, not the peer.
    public func join(_ plan: inout HostPlan) async throws {
        guard !plan.surroundings.isProxied else {
            throw TransportError(
                .invalidConfiguration, "a server of AutoNAT dials directly, and dials are to go through \(plan.surroundings.proxyName)")
        }
        let dialer = try await self.makeDialer(plan)
        plan.handlers.append(AutoNATv1Server(dialer: dialer))
        plan.handlers.append(AutoNATv2Server(dialer: dialer))
        plan.services.append(HostService("autonat dialer") { _ in try await dialer.run() })
    }
}

/// The first version's server.
final class AutoNATv1Server: ProtocolHandler {
    /// For dialing; a failure is told only afterwards, so that nobody learns which ports are closed and which are silent.
    private static let dialTime = Duration.seconds(15)
    private static let streamTime = Duration.seconds(60)

    private let dialer: any DialBackDialer
    private let ledger = Mutex(AutoNATLedger(.version1))

    init(dialer: any DialBackDialer) { self.dialer = dialer }

    let protocolIDs = [AutoNATProtocols.version1]
    var limits: StreamLimits { StreamLimits(inboundPerPeer: 4, lifetime: Self.streamTime, refusals: 60) }

    func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        guard let bytes = try await stream.readMessage(upTo: AutoNATv1Message.maximumLength) else { return }
        let message = try? AutoNATv1Message(reading: bytes)
        let answer = await self.answer(message, on: connection)
        try await stream.writeMessage(AutoNATv1Message(answer).bytes)
    }

    private func answer(_ message: AutoNATv1Message?, on connection: PeerConnection) async -> AutoNATv1Message.Body {
        guard case .dial(let peer, let addresses)? = message?.body else {
            return .response(.badRequest, text: "no dial request", address: nil)
        }
        guard peer == connection.remotePeer.bytes else { return .response(.badRequest, text: "peer id mismatch", address: nil) }
        guard !connection.isLimited else { return .response(.dialRefused, text: "no dials over a relay", address: nil) }
        let chosen = DialBackChoice.own(addresses, observed: connection.remoteAddress, canDial: self.dialer.canDial)
        guard !chosen.isEmpty else { return .response(.dialRefused, text: "no dialable addresses", address: nil) }
        let clock = connection.host.clock
        guard self.ledger.withLock({ $0.begin(connection.remotePeer, at: clock.now()) }) else {
            return .response(.dialRefused, text: "too many dials", address: nil)
        }
        defer { self.ledger.withLock { $0.end(connection.remotePeer) } }
        let end = clock.now().advanced(by: Self.dialTime)
        do {
            let dialled = try await self.dialer.dial(connection.remotePeer, at: chosen, within: Self.dialTime)
            let address = dialled.remoteAddress
            await dialled.close()
            return .response(.ok, text: "", address: address)
        } catch {
            await clock.sleep(end)
            return .response(.dialError, text: "dial failed", address: nil)
        }
    }
}

/// The second version's server.
final class AutoNATv2Server: ProtocolHandler {
    private static let dialTime = Duration.seconds(10)
    private static let dialBackTime = Duration.seconds(5)
    private static let streamTime = Duration.seconds(60)
    /// Before somebody else is dialled, in milliseconds: nobody can have many servers dial one victim at once.
    private static let foreignPause = 0...3_000

    private let dialer: any DialBackDialer
    private let ledger = Mutex(AutoNATLedger(.version2))

    init(dialer: any DialBackDialer) { self.dialer = dialer }

    let protocolIDs = [AutoNATProtocols.version2Request]
    var limits: StreamLimits { StreamLimits(inboundPerPeer: 4, lifetime: Self.streamTime, refusals: 120) }

    func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        let clock = connection.host.clock
        // Before the request is read: whoever asks too often costs nothing more.
        guard self.ledger.withLock({ $0.begin(connection.remotePeer, at: clock.now()) }) else {
            try await stream.writeMessage(AutoNATv2Message.dialResponse(.requestRejected, address: 0, .unused).bytes)
            return
        }
        defer { self.ledger.withLock { $0.end(connection.remotePeer) } }
        guard let bytes = try await stream.readMessage(upTo: AutoNATv2Message.maximumLength) else { return }
        guard case .dialRequest(let addresses, let nonce) = try AutoNATv2Message(reading: bytes) else { throw AutoNATError.malformed }
        let chosen =
            connection.isLimited
            ? nil
            : DialBackChoice.first(
                of: addresses, observed: connection.remoteAddress,
                mayDialForeign: { self.ledger.withLock { $0.mayDialForeign(at: clock.now()) } }, canDial: self.dialer.canDial)
        guard let chosen else {
            try await stream.writeMessage(AutoNATv2Message.dialResponse(.dialRefused, address: 0, .unused).bytes)
            return
        }
        if chosen.isForeign {
            try await self.takeDialData(stream, for: chosen.index)
            await clock.sleep(for: .milliseconds(Int.random(in: Self.foreignPause)))
        }
        let status = await self.dialBack(connection.remotePeer, at: chosen.address, nonce: nonce, clock)
        try await stream.writeMessage(AutoNATv2Message.dialResponse(.ok, address: chosen.index, status).bytes)
    }

    private func takeDialData(_ stream: PeerStream, for index: Int) async throws {
        let wanted = UInt64.random(in: AutoNATv2Message.dialData)
        try await stream.writeMessage(AutoNATv2Message.dialDataRequest(address: index, bytes: wanted).bytes)
        var left = Int(wanted)
        while left > 0 {
            guard let bytes = try await stream.readMessage(upTo: AutoNATv2Message.maximumLength),
                case .dialData(let length) = try AutoNATv2Message(reading: bytes),
                length >= min(AutoNATv2Message.leastDataLength, left)
            else { throw AutoNATError("the dial data is not what was asked for") }
            left -= length
        }
    }

    private func dialBack(
        _ peer: PeerID, at address: Multiaddr, nonce: UInt64, _ clock: HostClock
    ) async -> AutoNATv2Message.DialStatus {
        let connection: PeerConnection
        do throws(DialError) {
            connection = try await self.dialer.dial(peer, at: [address], within: Self.dialTime)
        } catch {
            return .dialError
        }
        let isAnswered: Void? = try? await StreamError.within(Self.dialBackTime, on: clock, "the dial back") { () throws(StreamError) in
            let stream = try await connection.openStream(AutoNATProtocols.version2DialBack)
            try await stream.writeMessage(DialBackMessage.bytes(nonce: nonce))
            _ = try await stream.readMessage(upTo: DialBackMessage.maximumLength)
        }
        await connection.close()
        return isAnswered == nil ? .dialBackError : .ok
    }
}

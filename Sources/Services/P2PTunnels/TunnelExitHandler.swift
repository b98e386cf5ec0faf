import NIOCore
import NIOPosix
import P2PCore
import P2PMultiaddr
import P2PPolicy

/// Connects what peers name, as far as the policy lets them, and serves services of datagrams.
struct TunnelExitHandler: ProtocolHandler {
    static let protocolID: ProtocolID = "/p2p-tunnel/1"

    let tunnels: Tunnels

    var protocolIDs: [ProtocolID] { [Self.protocolID] }
    var placement: HandlerPlacement { .connectionLoop }
    var limits: StreamLimits { StreamLimits(inboundPerPeer: self.tunnels.configuration.flowsPerPeer) }
    var servesLimitedConnections: Bool { true }

    /// What a request comes to, before anything is connected.
    private enum Wish {
        case service(TunnelService, RunningTunnel)
        case target(PolicyNetwork, TunnelEndpoint, PolicyTarget, UInt16)
    }

    func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        let deadline = self.tunnels.configuration.openTimeout
        let message = try await StreamError.within(deadline, on: connection.host.clock, "the request for a tunnel") {
            () throws(StreamError) in
            try await stream.readMessage(upTo: TunnelOpen.maximumSize)
        }
        guard let message else { return }
        let exchange = Exchange(stream: stream)
        do {
            let (request, wish) = try await self.wish(message, stream, connection)
            let idle = request.idleSeconds > 0 ? Duration.seconds(request.idleSeconds) : nil
            switch wish {
            case .service(let service, let running):
                if service.isDatagrams {
                    let place = try await self.tunnels.ledger.admit(connection.remotePeer, to: running.traffic)
                    try await self.carry(stream, to: service.target, nil, running, place, exchange, idle: idle)
                } else {
                    try await self.tunnels.connect(stream, to: service, running, on: connection, idle: idle) { try await exchange.accept() }
                }
            case .target(let network, let endpoint, let host, let port):
                try await self.reach(network, endpoint, host, port, stream, connection, exchange, idle: idle)
            }
        } catch let error as TunnelError where !exchange.isAccepted {
            self.tunnels.tell(self.tunnels.exitTunnel, connection.remotePeer, error)
            try await stream.writeMessage(TunnelResult(error).encoded)
        } catch {
            self.tunnels.tell(self.tunnels.exitTunnel, connection.remotePeer, error)
            throw error
        }
    }

    /// The answer, which is said once. Used by its stream's task alone.
    private final class Exchange: @unchecked Sendable {
        private let stream: PeerStream
        private(set) var isAccepted = false

        init(stream: PeerStream) { self.stream = stream }

        func accept() async throws {
            self.isAccepted = true
            try await self.stream.writeMessage(TunnelResult.ok.encoded)
        }
    }

    // MARK: What is wanted

    private func wish(
        _ message: ByteBuffer, _ stream: PeerStream, _ connection: PeerConnection
    ) async throws(TunnelError) -> (TunnelOpen, Wish) {
        let request: TunnelOpen
        do { request = try TunnelOpen(message) } catch { throw TunnelError(.badRequest, "the request can't be read") }
        switch request.network {
        case nil: throw TunnelError(.unsupported, "there are no tunnels of that network here")
        // A peer has no business with the files of this machine.
        case .unix: throw TunnelError(.unsupported, "there are no tunnels to unix sockets here")
        case .service: return (request, try await self.service(request, isDatagrams: false, stream, connection))
        case .udp where !request.name.isEmpty: return (request, try await self.service(request, isDatagrams: true, stream, connection))
        case .tcp: return (request, try self.target(request, .tcp))
        case .udp: return (request, try self.target(request, .udp))
        }
    }

    /// A service that is not there and one that is not for this peer are refused alike.
    private func service(
        _ request: TunnelOpen, isDatagrams: Bool, _ stream: PeerStream, _ connection: PeerConnection
    ) async throws(TunnelError) -> Wish {
        guard let name = TunnelName(request.name), request.host.isEmpty else {
            throw TunnelError(.badRequest, "that is no name of a service")
        }
        guard let (service, running) = self.tunnels.service(name, isDatagrams: isDatagrams, for: connection.info) else {
            throw TunnelError(.denied, "\(name) is not served to \(connection.remotePeer)")
        }
        if case .refused(let reason)? = await self.tunnels.policy?.mayServe(stream, for: name.protocolID, on: connection.info) {
            throw TunnelError(.denied, reason ?? "permission denied")
        }
        return .service(service, running)
    }

    private func target(_ request: TunnelOpen, _ network: PolicyNetwork) throws(TunnelError) -> Wish {
        guard request.port > 0, request.name.isEmpty else {
            throw TunnelError(.badRequest, "a target needs a port, and no name of a service")
        }
        let text = request.host.contains(":") ? "[\(request.host)]" : request.host
        guard let host = PolicyTarget(text) else {
            throw TunnelError(.badRequest, "the host is neither an address in its usual form nor a name in ASCII")
        }
        let endpoint: TunnelEndpoint =
            switch host {
            case .name(let name): .ip(host: name, port: request.port)
            case .address(let address): .ip(host: "\(address)", port: request.port)
            }
        return .target(network, endpoint, host, request.port)
    }

    // MARK: Targets

    private func reach(
        _ network: PolicyNetwork, _ endpoint: TunnelEndpoint, _ host: PolicyTarget, _ port: UInt16, _ stream: PeerStream,
        _ connection: PeerConnection, _ exchange: Exchange, idle: Duration?
    ) async throws {
        guard let policy = self.tunnels.policy else { throw TunnelError(.denied, "targets that peers name are not allowed here") }
        let info = connection.info
        // Before a name is looked up.
        try Self.check(await policy.mayTunnel(network, to: host, port: port, on: info))
        let running = self.tunnels.exitTunnel
        let place = try await self.tunnels.ledger.admit(info.remotePeer, to: running.traffic)
        let mayReach: TunnelDialer.MayReach = { ip in
            await policy.mayTunnel(network, to: host, port: port, leadingTo: ip.unmapped, on: info)
        }
        guard network == .tcp else {
            return try await self.carry(stream, to: endpoint, mayReach, running, place, exchange, idle: idle) { ip in
                try Self.check(await policy.mayTunnel(network, to: host, port: port, leadingTo: ip?.unmapped, for: stream, on: info))
            }
        }
        let socket = try await self.tunnels.dialer.connect(
            to: endpoint, times: self.tunnels.times(idle: idle), on: Tunnels.currentLoop,
            deadline: .now().advanced(by: self.tunnels.configuration.openTimeout), mayReach: mayReach)
        place.opened()
        do {
            // From now on it lasts for as long as the rules allow it.
            try Self.check(
                await policy.mayTunnel(
                    network, to: host, port: port, leadingTo: socket.channel.remoteAddress?.ip?.unmapped, for: stream, on: info))
            try await exchange.accept()
        } catch {
            socket.pump.cancel()
            throw error
        }
        try await running.whileOpen(cancel: { socket.pump.cancel() }) { try await socket.pump.run(stream, place) }
    }

    private static func check(_ answer: GateAnswer) throws(TunnelError) {
        if case .refused(let reason) = answer { throw TunnelError(.denied, reason ?? "permission denied") }
    }

    /// Carries datagrams to one target, until there are none for long enough.
    private func carry(
        _ stream: PeerStream, to target: TunnelEndpoint, _ mayReach: TunnelDialer.MayReach?, _ running: RunningTunnel,
        _ place: TunnelLedger.Place, _ exchange: Exchange, idle: Duration?, granted: (IPAddress?) async throws -> Void = { _ in }
    ) async throws {
        let deadline = NIODeadline.now().advanced(by: self.tunnels.configuration.openTimeout)
        guard let address = try await self.tunnels.dialer.addresses(of: target, deadline: deadline, mayReach: mayReach).first else {
            throw TunnelError(.unresolvable, "\(target) has no address")
        }
        try await granted(address.ip)
        let socket = try await DatagramSocket.connect(
            to: address, stream: stream, place: place, on: Tunnels.currentLoop, configuration: self.tunnels.configuration, idle: idle)
        place.opened()
        do {
            try await exchange.accept()
        } catch {
            socket.close()
            throw error
        }
        try await running.whileOpen(cancel: { socket.flow.cancel() }) { try await socket.run() }
    }
}

import NIOCore
import NIOPosix
import P2PCore
import P2PPolicy

/// Serves one service of bytes: each stream is a connection to it.
struct TunnelServiceHandler: ProtocolHandler {
    let tunnels: Tunnels
    let service: TunnelService
    let running: RunningTunnel

    var protocolIDs: [ProtocolID] { [self.service.name.protocolID] }
    /// The socket lives on the loop of the connection, so that no byte changes threads.
    var placement: HandlerPlacement { .connectionLoop }
    var limits: StreamLimits { StreamLimits(inboundPerPeer: self.tunnels.configuration.flowsPerPeer) }
    var servesLimitedConnections: Bool { true }
    var audience: (@Sendable (ConnectionInfo) -> Bool)? {
        let (access, name, policy) = (self.service.access, self.service.name, self.tunnels.policy)
        if access == .anyone, policy == nil { return nil }
        return { access.includes($0.remotePeer) && policy?.mayKnow(of: name.protocolID, on: $0) ?? true }
    }

    func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        do {
            try await self.tunnels.connect(stream, to: self.service, self.running, on: connection)
        } catch {
            self.tunnels.tell(self.running, connection.remotePeer, error)
            guard let error = error as? TunnelError, error.code == .busy else { throw error }
            throw StreamError(.resourceLimit, error.message, cause: error)
        }
    }
}

extension Tunnels {
    /// Connects a stream to a service, to its end.
    ///
    /// - Parameter opened: tells the peer, where it waits for that.
    func connect(
        _ stream: PeerStream, to service: TunnelService, _ running: RunningTunnel, on connection: PeerConnection,
        idle: Duration? = nil, opened: () async throws -> Void = {}
    ) async throws {
        let place = try await self.ledger.admit(connection.remotePeer, to: running.traffic)
        let hold = await self.finishHold(for: connection.remotePeer, connection.host)
        let socket: TunnelDialer.Socket
        do throws(TunnelError) {
            socket = try await self.dialer.connect(
                for: stream, of: running, to: service.target, times: self.times(idle: idle), on: Self.currentLoop,
                deadline: .now().advanced(by: self.configuration.openTimeout))
        } catch {
            running.traffic.countRefusal()
            throw error
        }
        place.opened()
        do {
            try await opened()
        } catch {
            socket.pump.cancel()
            throw error
        }
        try await running.whileOpen(cancel: { socket.pump.cancel() }) {
            try await socket.pump.run(stream, place, preface: service.introduction.preface(for: connection.info), finishHold: hold)
        }
    }

    /// Where a handler's task runs, or any loop.
    static var currentLoop: any EventLoop {
        MultiThreadedEventLoopGroup.currentEventLoop ?? MultiThreadedEventLoopGroup.singleton.any()
    }
}

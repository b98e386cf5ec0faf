import HTTPTypes
public import Logging
public import P2PCore
public import P2PIdentity
public import P2PTunnels

/// Serves a responder to the programs of this machine, on a port of it or a unix socket: what peers ask over streams, a browser or any other
/// client of HTTP asks here.
///
/// ```swift
/// let port = try await HTTPLocalPort.bind(.ip(host: "127.0.0.1", port: 8080), responder, as: host.peerID)
/// await port.run()
/// ```
///
/// One exchange on a connection. A port is refused to the pages of browsers: a request that names another host than this machine is 421 (a name
/// that was led here), and one with an `Origin` is 403.
public struct HTTPLocalPort: Sendable {
    /// Where it listens, with the port that the system chose.
    public let endpoint: TunnelEndpoint

    private let port: LocalPort
    private let serving: HTTPServing

    /// Listens; nobody is served before ``run()``.
    ///
    /// - Parameters:
    ///   - endpoint: a loopback address, or a unix socket, which is made the user's alone.
    ///   - peer: whose requests these are for the responder: this node's.
    ///   - limits: with as many exchanges as one peer may have.
    /// - Throws: ``TunnelError``; `notBound` where something else listens, `badRequest` for an address that others reach.
    public static func bind(
        _ endpoint: TunnelEndpoint, _ responder: any HTTPResponder, as peer: PeerID, limits: HTTPLimits = HTTPLimits(),
        logger: Logger = Logger(label: "p2p.http")
    ) async throws(TunnelError) -> HTTPLocalPort {
        guard endpoint.isLocal else { throw TunnelError(.badRequest, "\(endpoint) is no address of this machine alone") }
        let port = try await LocalPort.bind(endpoint, limit: limits.exchangesPerPeer)
        var responder = responder
        if case .ip = endpoint { responder = LocalRequests(responder) }
        return HTTPLocalPort(
            endpoint: port.endpoint, port: port,
            serving: HTTPServing(peer: peer, responder: responder, limits: limits, clock: .system, logger: logger))
    }

    /// Serves until the task is cancelled, then ends what is under way.
    public func run() async {
        await withDiscardingTaskGroup { group in
            for await stream in self.port.streams {
                group.addTask { await self.serve(stream) }
            }
            group.cancelAll()
        }
        await self.port.close()
    }
}

extension HTTPLocalPort {
    /// One exchange. The connection ends when its client ends it: to do so at once could take away what is on its way there.
    private func serve(_ stream: PeerStream) async {
        let clock = self.serving.clock
        do {
            try await self.serving.run(on: stream)
            _ = try await clock.result(by: clock.now().advanced(by: self.serving.limits.bodyIdle)) { () async throws(StreamError) -> Void in
                while try await stream.read() != nil {}
            }
        } catch {}
        stream.reset()
    }
}

/// What a page of a browser can have its browser send here is not answered.
private struct LocalRequests: HTTPResponder {
    private let responder: any HTTPResponder

    init(_ responder: any HTTPResponder) { self.responder = responder }

    func respond(to request: HTTPPeerRequest) async throws -> HTTPPeerResponse {
        guard let authority = request.head.authority, Self.isLocal(authority) else { return .text(.misdirectedRequest, "wrong host") }
        if let field = HTTPField.Name("Origin"), let origin = request.head.headerFields[field] {
            return .text(.forbidden, "origin \(origin.prefix(200)) is not allowed")
        }
        return try await self.responder.respond(to: request)
    }

    /// Whether a host, with its port or without, is a name of this machine.
    private static func isLocal(_ authority: String) -> Bool {
        if case .ip(let host, _)? = TunnelEndpoint(authority) { return self.isLocalHost(host) }
        return self.isLocalHost(authority.hasPrefix("[") && authority.hasSuffix("]") ? String(authority.dropFirst().dropLast()) : authority)
    }

    private static func isLocalHost(_ host: String) -> Bool { TunnelEndpoint.ip(host: host.lowercased(), port: 1).isLocal }
}

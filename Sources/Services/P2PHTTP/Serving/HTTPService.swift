public import P2PCore

extension ProtocolID {
    /// HTTP/1.1 over streams, one exchange a stream (libp2p specs, "http").
    public static let http: ProtocolID = "/http/1.1"
}

/// Serves HTTP/1.1 to peers over streams: one request and its response on each.
///
/// ```swift
/// try host.serve(HTTPService(HTTPClosureResponder { request in .text(.ok, "Hello \(request.peer)") }))
/// ```
public struct HTTPService: ProtocolHandler {
    /// The protocol that is negotiated.
    public let protocolIDs: [ProtocolID]
    /// What bounds an exchange.
    public let httpLimits: HTTPLimits
    private let responder: any HTTPResponder

    /// - Parameter protocolID: another name of the same, such as `/x/web/http`.
    public init(_ responder: any HTTPResponder, protocolID: ProtocolID = .http, limits: HTTPLimits = HTTPLimits()) {
        self.protocolIDs = [protocolID]
        self.responder = responder
        self.httpLimits = limits
    }

    /// As many exchanges as the limits say.
    public var limits: StreamLimits { StreamLimits(inboundPerPeer: self.httpLimits.exchangesPerPeer) }
    /// Also over a connection that a relay lends.
    public var servesLimitedConnections: Bool { true }

    /// Serves one exchange.
    public func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        let exchange = HTTPServing(
            peer: connection.remotePeer, responder: self.responder, limits: self.httpLimits, clock: connection.host.clock,
            logger: connection.host.logger)
        try await exchange.run(on: stream)
        stream.stopReading()
    }
}

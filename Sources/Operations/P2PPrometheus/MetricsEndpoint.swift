import NIOCore
import NIOPosix
import Synchronization

/// A port on which Prometheus, and people, read metrics over HTTP/1.1.
///
/// It answers `GET /metrics`, one request for each connection, and is hard to keep busy: a few connections at a time, a few seconds for each, a request
/// of a few KiB. What asks for another host than an IP address, `localhost` or ``Configuration/names`` is refused, so that no page in a browser reads
/// it by a name that leads here. It knows no passwords: where others reach the port, they read it.
public final class MetricsEndpoint: Sendable {
    /// Bounds, and what the endpoint is called.
    public struct Configuration: Sendable {
        /// Connections at a time that are answered. So many more are told that others ask already, and what is beyond that is closed at once.
        public var maximumConnections = 16
        /// How long a connection may take for everything.
        public var patience = Duration.seconds(5)
        /// Names that requests may give as their host besides IP addresses and `localhost`.
        public var names: [String] = []

        /// The defaults, which are documented at each setting.
        public init() {}
    }

    /// The IP address that it is bound to.
    public let host: String
    /// The port that it is bound to.
    public let port: Int
    let places: ConnectionPlaces
    private let channel: any Channel

    private init(channel: any Channel, host: String, port: Int, places: ConnectionPlaces) {
        self.channel = channel
        self.places = places
        self.host = host
        self.port = port
    }

    /// Where to read it.
    public var url: String { "http://\(self.host.contains(":") ? "[\(self.host)]" : self.host):\(self.port)/metrics" }

    /// Binds the port, and answers from then on.
    ///
    /// - Parameters:
    ///   - host: an IP address of this machine.
    ///   - port: zero lets the system choose.
    ///   - page: makes the page, in Prometheus' text format; it may take its time, and is called on a thread of its own.
    /// - Throws: what the system says of the port.
    public static func open(
        host: String, port: Int, configuration: Configuration = Configuration(), page: @escaping @Sendable () -> String
    ) async throws -> MetricsEndpoint {
        let places = ConnectionPlaces(limit: configuration.maximumConnections)
        let names = Set(configuration.names.map { $0.lowercased() })
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 64)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.maxMessagesPerRead, value: 4)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(AcceptPause()) }
            }
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        MetricsHandler(patience: TimeAmount(configuration.patience), names: names, places: places, page: page))
                }
            }
            .bind(host: host, port: port).get()
        return MetricsEndpoint(
            channel: channel, host: channel.localAddress?.ipAddress ?? host, port: channel.localAddress?.port ?? port,
            places: places)
    }

    /// Closes the port. Whoever is being answered still is.
    public func close() async {
        self.channel.close(promise: nil)
        try? await self.channel.closeFuture.get()
    }
}

/// How many may ask at a time.
final class ConnectionPlaces: Sendable {
    private let limit: Int
    private let taken = Atomic(0)

    init(limit: Int) { self.limit = limit }

    enum Place { case answered, refused, none }

    /// Takes a place; it is given back, whichever it was.
    func take() -> Place {
        let taken = self.taken.wrappingAdd(1, ordering: .relaxed).newValue
        return taken <= self.limit ? .answered : taken <= 2 * self.limit ? .refused : .none
    }
    /// Those that are taken.
    var count: Int { self.taken.load(ordering: .relaxed) }
    func giveBack() { self.taken.wrappingSubtract(1, ordering: .relaxed) }
}

/// Stops accepting for a moment where the system has no descriptor for whoever comes: it would say so again at once, and keep a core busy.
private final class AcceptPause: ChannelInboundHandler {
    typealias InboundIn = any Channel

    private static let pause = TimeAmount.milliseconds(250)

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let channel = context.channel
        channel.setOption(.autoRead, value: false).whenComplete { _ in }
        context.eventLoop.scheduleTask(in: Self.pause) { channel.setOption(.autoRead, value: true).whenComplete { _ in } }
    }
}

import Logging
import NIOCore
import P2PCore
import P2PMultiaddr
import P2PPipeline
import Synchronization

/// Asks the proxies that are believed for whom they connect, and nobody else.
struct TrustedProxies: Sendable {
    /// No proxy is believed.
    static let none = TrustedProxies([], logger: Logger(label: "p2p.tcp"))

    /// Connections of proxies that have not said yet whose they are.
    static let waiting = 1_024
    /// How often it is said that one came to nothing.
    static let logInterval = TimeAmount.seconds(10)

    private final class Log: Sendable {
        let interval = Mutex(LogInterval(TrustedProxies.logInterval))
    }

    private let networks: [IPNetwork]
    private let door = ArrivalDoor(ArrivalTable.Limits("proxied", total: Self.waiting, perAddress: Self.waiting))
    private let logger: Logger
    private let log = Log()

    init(_ networks: [IPNetwork], logger: Logger) {
        self.networks = networks
        self.logger = logger
    }

    /// The arrival, as one of the client's where it comes from a proxy that says so; nil when that came to nothing, and is closed.
    func named(_ bytes: ByteChannel) async -> ByteChannel? {
        guard self.networks.contain(bytes.remoteAddress) else { return bytes }
        let channel = bytes.channel
        do {
            let place = try self.door.place(for: bytes.remoteAddress, nil)
            place.loss.then { channel.close(promise: nil) }
            let header = try await Self.header(of: channel)
            _ = consume place
            let remote = if case .client(let ip, let port) = header { Multiaddr(ip: ip, tcp: port) } else { bytes.remoteAddress }
            return ByteChannel(
                channel: channel, localAddress: bytes.localAddress, remoteAddress: remote,
                preparations: [ProxyHeaderGate.Opening()] + bytes.preparations, progress: bytes.progress)
        } catch {
            channel.close(promise: nil)
            if self.log.interval.withLock({ $0.admit(at: .now()) }) != nil {
                self.logger.notice(
                    "a proxy's connection came to nothing", metadata: ["address": "\(bytes.remoteAddress)", "reason": "\(error)"])
            }
            return nil
        }
    }

    private static func header(of channel: any Channel) async throws -> ProxyHeader? {
        let promise = channel.eventLoop.makePromise(of: ProxyHeader?.self)
        return try await withTaskCancellationHandler {
            channel.eventLoop.execute {
                do {
                    try channel.pipeline.syncOperations.addHandler(ProxyHeaderGate(promise: promise))
                } catch {
                    promise.fail(error)
                }
            }
            return try await promise.futureResult.get()
        } onCancel: {
            channel.close(promise: nil)
        }
    }
}

import NIOCore
import P2PCore
import P2PPing

/// How far a relay is, by a ping or two.
enum RelayDistance {
    /// The first ping may wait for what else the connection has to do.
    private static let pings = 2
    /// For all of them.
    private static let timeout = Duration.seconds(10)

    /// The shortest round trip; nil when the peer does not answer, in time or at all.
    static func measure(over connection: ConnectionInfo, of host: any HostAccess) async -> TimeAmount? {
        let pinger = Pinger(on: PeerConnection(connection, of: host))
        let shortest = try? await StreamError.within(Self.timeout, on: host.clock, "pings of a relay") {
            () async throws(StreamError) -> Duration in
            var shortest = try await pinger.ping(timeout: nil)
            for _ in 1..<Self.pings { shortest = min(shortest, try await pinger.ping(timeout: nil)) }
            return shortest
        }
        await pinger.close()
        return shortest.map { TimeAmount($0) }
    }
}

import NIOCore
import P2PCore

/// How far a relay is, by a ping or two (libp2p specs, "Ping").
enum RelayDistance {
    private static let pingID: ProtocolID = "/ipfs/ping/1.0.0"
    private static let size = 32
    /// The first ping may wait for what else the connection has to do.
    private static let pings = 2
    private static let timeout = Duration.seconds(10)

    /// The shortest round trip; nil when the peer does not answer, in time or at all.
    static func measure(over connection: ConnectionInfo, of host: any HostAccess) async -> TimeAmount? {
        let clock = host.clock
        return try? await StreamError.within(Self.timeout, on: clock, "pings of a relay") { () async throws(StreamError) -> TimeAmount? in
            let stream = try await host.openStream(on: connection.id, protocols: [Self.pingID])
            var shortest: TimeAmount?
            for _ in 0..<Self.pings {
                let sent = (0..<Self.size).map { _ in UInt8.random(in: 0...255) }
                let began = clock.now()
                try await stream.write(bytes: sent)
                guard let answer = try await stream.readExactly(Self.size), answer.readableBytesView.elementsEqual(sent) else { return nil }
                let roundTrip = clock.now() - began
                shortest = min(shortest ?? roundTrip, roundTrip)
            }
            try? await stream.finish()
            return shortest
        }
    }
}

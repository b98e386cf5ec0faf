import NIOPosix
import P2PCore
import P2PHost
import P2PIdentity
import P2PMemory
import P2PMultiaddr
import P2PNoise
import P2PPipeline
import P2PYamux
import Synchronization
import Testing

@testable import P2PRelay

/// A relay and hosts that know of it, on a network in memory, with real handshakes and muxers.
struct RelayHosts {
    let relay: PeerHost
    let service: RelayService
    let relayAddress: Multiaddr
    let network: MemoryNetwork
    /// That of the host with a place.
    let targetClient: RelayClient

    /// Carries bytes in memory.
    private struct Carrier: HostModule {
        let network: MemoryNetwork

        func join(_ plan: inout HostPlan) async throws {
            try plan.add(MemoryByteTransport(network: self.network, group: plan.group))
        }
    }

    /// Says back what it hears, also to those who come over a relay.
    struct Parrot: ProtocolHandler {
        static let id: ProtocolID = "/parrot/1.0.0"

        let protocolIDs = [Self.id]
        var servesLimitedConnections: Bool { true }

        func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
            while let bytes = try await stream.read() { try await stream.write(bytes) }
        }
    }

    /// The same for those who come directly.
    struct ShyParrot: ProtocolHandler {
        static let id: ProtocolID = "/shy-parrot/1.0.0"

        let protocolIDs = [Self.id]

        func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
            while let bytes = try await stream.read() { try await stream.write(bytes) }
        }
    }

    static func host(on network: MemoryNetwork, _ modules: any HostModule...) async throws -> PeerHost {
        let host = try await PeerHost.make(
            identity: try PrivateKey.generate(.ed25519),
            modules: [Upgrading(security: [Noise()], muxers: [Yamux()]), Carrier(network: network)] + modules + [Parrot(), ShyParrot()],
            group: MultiThreadedEventLoopGroup.singleton)
        _ = try await host.listen(on: Multiaddr("/memory/0"))
        return host
    }

    /// Runs `body` with a relay, a host that has a place at it, and one that has not.
    static func run(
        _ limits: RelayServiceLimits = RelayServiceLimits(), access: any RelayAccess = OpenRelayAccess(),
        stopTimeout: Duration = HopProtocol.stopTimeout,
        _ body: @escaping @Sendable (_ hosts: RelayHosts, _ target: PeerHost, _ source: PeerHost) async throws -> Void
    ) async throws {
        let network = MemoryNetwork()
        let service = RelayService(limits: limits, access: access, stopTimeout: stopTimeout)
        let relay = try await Self.host(on: network, service, RelayClient())
        let targetClient = RelayClient()
        let target = try await Self.host(on: network, RelayService(), targetClient)
        let source = try await Self.host(on: network, RelayClient())
        let address = try #require(relay.listenAddresses.first)
        let hosts = RelayHosts(
            relay: relay, service: service, relayAddress: address, network: network, targetClient: targetClient)
        try await relay.running { _ in
            try await target.running { target in
                try await source.running { source in try await body(hosts, target, source) }
            }
        }
        #expect(service.statistics.circuits == 0)
    }

    /// Where a place at the relay is asked for.
    var place: Multiaddr { get throws { try self.relayAddress.appending(.p2pCircuit) } }

    /// Where a host is found through the relay.
    func address(of host: PeerHost) throws -> Multiaddr { try self.place.withPeerID(host.peerID) }

    /// Has a host take a place at the relay.
    func reserve(_ host: PeerHost) async throws {
        let events = host.events()
        _ = try await host.listen(on: self.place)
        for await event in events {
            if case .listening(let address) = event, address.isRelayed { return }
        }
    }

    /// What comes back over a connection.
    static func say(_ text: String, over connection: PeerConnection, _ protocolID: ProtocolID = Parrot.id) async throws -> String {
        let stream = try await connection.openStream(protocolID)
        try await stream.write(text: text)
        try await stream.finish()
        return try await stream.readText(upTo: 1_000_000)
    }
}

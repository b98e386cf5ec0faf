public import Logging
public import NIOCore
public import NIOPosix
public import P2PCore
public import P2PIdentity
public import P2PMultiaddr

/// Finds peers on the local network by multicast DNS, without any server (libp2p specs, "mDNS").
///
/// Everybody on the network can see that this node is there, at which addresses and by which peer id. Under an identity that is to stay
/// unknown, do without.
public struct MDNSDiscovery: Discovery {
    /// Discovered peers that wait for whoever listens; those beyond are reported again when they are refreshed.
    static let backlog = 256
    /// Characters of the random name under which a node is announced; the spec allows 32 to 63.
    private static let peerNameLength = 40

    private let peer: PeerID?
    private var configuration: MDNSConfiguration
    private let group: any EventLoopGroup
    private let logger: Logger
    /// Where the peers count that are known; nil without a host.
    private var memory: HeldMemory?

    /// - Parameters:
    ///   - peer: who is announced; nil only listens.
    ///   - group: one of its loops drives the sockets.
    public init(
        peer: PeerID?, configuration: MDNSConfiguration = MDNSConfiguration(),
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, logger: Logger = Logger(label: "p2p.mdns")
    ) {
        self.peer = peer
        self.configuration = configuration
        self.group = group
        self.logger = logger
    }

    /// Adds itself to a host's sources of peers. The nodes of a private network are among themselves here, too.
    ///
    /// - Throws: `TransportError` (`.invalidConfiguration`) where nothing may go around a proxy.
    public func join(_ plan: inout HostPlan) async throws {
        guard !plan.surroundings.isConfined else {
            throw TransportError(
                .invalidConfiguration,
                "local discovery (mDNS) sends to the local network, and nothing is to go around \(plan.surroundings.proxyName)")
        }
        var member = self
        member.configuration.networkFingerprint = self.configuration.networkFingerprint ?? plan.surroundings.privateNetwork
        member.memory = plan.windowBudget.held
        plan.discovery.append(member)
    }

    /// Announces the host and tells it of others until cancelled, then says goodbye.
    public func run(on host: any HostAccess) async throws {
        try await self.run(announcing: { host.announcedAddresses }, onPeer: { await host.discovered($0) })
    }

    /// Announces a node and reports others until cancelled, then says goodbye; without a host.
    ///
    /// A peer is reported when it is found, when its addresses change, and while it stays, about once a minute.
    ///
    /// - Throws: when the service's name, or the fingerprint of the private network, is no part of a domain name.
    public func run(
        announcing addresses: @escaping @Sendable () async -> [Multiaddr], onPeer: @escaping @Sendable (DiscoveredPeer) async -> Void
    ) async throws {
        let service = try MDNSService(service: self.configuration.service, peerName: Self.randomName(), peer: self.peer)
        let machine = MDNSMachine(service: service, seed: .random(in: .min ... .max), at: .now())
        let found = Inbox<DiscoveredPeer, Never>(limit: Self.backlog)
        let driver = MDNSDriver(machine: machine, eventLoop: self.group.next(), memory: self.memory, logger: self.logger) {
            _ = found.offer($0)
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                while let peer = await found.next() { await onPeer(peer) }
            }
            while !Task.isCancelled {
                driver.setAddresses(await addresses())
                if let interfaces = MulticastInterface.all(named: self.configuration.interfaces) { await driver.use(interfaces) }
                try? await Task.sleep(for: self.configuration.watchInterval)
            }
            group.cancelAll()
        }
        await driver.close()
    }

    private static func randomName() -> String {
        let alphabet = Array("abcdefghijklmnopqrstuvwxyz0123456789")
        return String((0..<self.peerNameLength).map { _ in alphabet[Int.random(in: alphabet.indices)] })
    }
}

import Logging
import NIOCore
public import P2PCore
public import P2PMultiaddr
import P2PReachability
import Synchronization

/// Has a router map the ports on which a host listens, and announces where that makes it reachable.
///
/// PCP, NAT-PMP and UPnP are spoken, whatever the router knows; mappings are renewed, made anew when the router has forgotten them, and
/// given back when the host ends. Of IPv6 nothing is translated: there PCP has the router's firewall let packets in at the ports of one public
/// address (a pinhole). Ports of loopback addresses are left alone, and so is the router of a machine that has a public address. A
/// router's word is no proof: that the ports are reached from outside is for others to say.
public final class PortMapping: HostModule, AddressContributing {
    private struct State {
        var board: ReachabilityBoard?
        var listening: [Multiaddr] = []
        var status = PortMappingStatus()
        var pinholes = PortMappingStatus()
    }

    private let configuration: PortMappingConfiguration
    private let state = Mutex(State())
    private let statuses = NewestBroadcast<PortMappingStatus>()
    private let changes: AddressChanges
    private let change: AsyncStream<[Multiaddr]>.Continuation

    /// By default for every port.
    public init(_ configuration: PortMappingConfiguration = PortMappingConfiguration()) {
        self.configuration = configuration
        (self.changes, self.change) = AddressChanges.make()
    }

    /// Adds the addresses and the task that keeps them; tells a ``ReachabilityBoard`` what becomes of it, if there is one.
    ///
    /// - Throws: `TransportError` (`.invalidConfiguration`) where nothing may go around a proxy.
    public func join(_ plan: inout HostPlan) async throws {
        guard !plan.surroundings.isConfined else {
            throw TransportError(
                .invalidConfiguration, "port mapping speaks to the router, and nothing is to go around \(plan.surroundings.proxyName)")
        }
        let group = plan.group
        self.state.withLock { [board = plan[ReachabilityBoard.self]] in $0.board = board }
        plan.addresses.append(self)
        plan.services.append(HostService("port mapping") { host in await self.run(host, on: group.next()) })
    }

    /// Where it stands.
    public var status: PortMappingStatus { self.state.withLock { $0.status } }

    /// Where it stands with the firewall of IPv6's router.
    public var pinholes: PortMappingStatus { self.state.withLock { $0.pinholes } }

    /// Where it stands from now on, each time that it changes; only the newest waits.
    public var statusChanges: AsyncStream<PortMappingStatus> { self.statuses.subscribe() }

    /// Where the mappings make this node reachable: on the internet's addresses alone, without `/p2p`.
    public var addresses: [Multiaddr] {
        self.state.withLock { MappedAddresses.of($0.listening, $0.status.mappings) }
    }

    /// Yields the list whenever it changes.
    public var addressChanges: AddressChanges { self.changes }

    private func run(_ host: any HostAccess, on eventLoop: any EventLoop) async {
        let logger = host.logger
        let driver = PortMappingDriver(mapper: Self.mapper(), eventLoop: eventLoop, logger: logger) { self.changed($0, logger) }
        let pinholes = PortMappingDriver(mapper: Self.mapper(), eventLoop: eventLoop, logger: logger) { self.changedPinholes($0, logger) }
        while !Task.isCancelled {
            let networks = LocalNetworks.current()
            let network = MappingNetwork(self.configuration.route(), in: networks)
            let listening = host.listenAddresses
            self.noteListening(listening)
            driver.use(
                network, network?.ports(of: listening, only: self.configuration.ports) ?? [], isPublic: MappingNetwork.isPublic(networks))
            let firewall = MappingNetwork(pinhole: self.configuration.routeIPv6(), in: networks)
            pinholes.use(firewall, firewall?.ports(of: listening, only: self.configuration.ports) ?? [], isPublic: false)
            await host.clock.sleep(for: self.configuration.watchInterval)
        }
        async let closed: Void = pinholes.close()
        await driver.close()
        await closed
        self.changed(PortMappingStatus(), logger)
        self.changedPinholes(PortMappingStatus(), logger)
    }

    private static func mapper() -> PortMapper {
        PortMapper(seed: .random(in: .min ... .max)) {
            (0..<PCPMessage.nonceLength).map { _ in UInt8.random(in: .min ... .max) }
        }
    }

    /// The addresses are this node's own, and announced as such.
    private func changedPinholes(_ status: PortMappingStatus, _ logger: Logger) {
        let before = self.state.withLock { state in
            defer { state.pinholes = status }
            return state.pinholes
        }
        guard status.mappings != before.mappings else { return }
        let open = status.mappings.map { "\($0.local) of \($0.localAddress)" }
        logger.info("the ports of IPv6 that the router lets packets in at changed", metadata: ["open": "\(open.joined(separator: ", "))"])
    }

    private func noteListening(_ listening: [Multiaddr]) {
        let change = self.state.withLock { state -> [Multiaddr]? in
            let before = MappedAddresses.of(state.listening, state.status.mappings)
            state.listening = listening
            let now = MappedAddresses.of(listening, state.status.mappings)
            return now == before ? nil : now
        }
        guard let change else { return }
        self.post()
        self.change.yield(change)
    }

    private func post() {
        let (board, router) = self.state.withLock { ($0.board, ReachabilityFacts.Router($0.status, listening: $0.listening)) }
        board?.post(router)
    }

    private func changed(_ status: PortMappingStatus, _ logger: Logger) {
        let (before, addresses) = self.state.withLock { state in
            defer { state.status = status }
            return (state.status, MappedAddresses.of(state.listening, status.mappings))
        }
        guard status != before else { return }
        if status.mappings != before.mappings {
            let mapped = status.mappings.map { mapping in
                "\(mapping.local) at \(mapping.externalAddress.map { "\($0)" } ?? "an unknown address"):\(mapping.externalPort) by \(mapping.method.rawValue)"
            }
            logger.info(
                "port mappings changed",
                metadata: ["mapped": "\(mapped.joined(separator: ", "))", "behind_another_nat": "\(status.isBehindAnotherNAT)"])
        }
        if status.phase == .none, before.phase != .none {
            let reasons = status.failures.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
            logger.info("no router maps the ports of this node", metadata: ["reasons": "\(reasons.joined(separator: ", "))"])
        }
        self.post()
        self.change.yield(addresses)
        self.statuses.post(status)
    }
}

extension ReachabilityFacts.Router {
    /// What there is to tell of a router; nil where there is none.
    init?(_ status: PortMappingStatus, listening: [Multiaddr]) {
        guard let gateway = status.gateway, let localAddress = status.localAddress, status.phase != .idle else { return nil }
        let mapped = status.mappings.flatMap { mapping in
            MappedAddresses.of(listening, [mapping]).map { Mapped(address: $0, method: mapping.method.rawValue) }
        }
        self.init(
            gateway: gateway, localAddress: localAddress, mapped: mapped, isBehindAnotherNAT: status.isBehindAnotherNAT,
            isAsking: status.phase == .searching,
            failures: status.failures.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" })
    }
}

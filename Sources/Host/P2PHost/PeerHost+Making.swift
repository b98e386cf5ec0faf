public import Logging
public import NIOCore
public import P2PCore
public import P2PIdentity
import P2PSwarm

extension PeerHost {
    /// Makes a host of modules: each is asked once, in order, for what it brings.
    ///
    /// - Parameters:
    ///   - identity: names the node.
    ///   - modules: transports before what stands on them.
    ///   - configuration: limits, times, names.
    ///   - surroundings: what modules must not work around.
    ///   - appMetadata: what the application attaches to every handshake, at most ``ConnectionInfo/maximumAppMetadata`` bytes.
    ///   - gater: decides, beside those of the modules, who may connect. What it has not decided when the time for the handshakes is over is
    ///     refused; it is cancelled then, and has to return.
    ///   - peerstore: remembers peers; nil keeps them in memory. It is written behind: neither dials nor connections wait for it.
    ///   - windowBudget: bytes that the receive windows of all connections together may grow by.
    ///   - group: where connections live.
    ///   - clock: where the host, and every module, has its time from.
    /// - Throws: what a module throws; ``CodedFailure/Code/protocolTaken`` when two of them serve the same protocol;
    ///   ``TransportError/Code/metadataTooLong``.
    public static func make(
        identity: any IdentityKey, modules: [any HostModule], configuration: HostConfiguration = HostConfiguration(),
        surroundings: HostSurroundings = HostSurroundings(), appMetadata: [UInt8] = [], gater: any ConnectionGater = OpenGater(),
        peerstore: (any Peerstore)? = nil, windowBudget: Int = HostConfiguration.defaultWindowBudget, group: any EventLoopGroup,
        clock: HostClock = .system, logger: Logger = Logger(label: "p2p")
    ) async throws -> PeerHost {
        guard appMetadata.count <= ConnectionInfo.maximumAppMetadata else {
            throw TransportError(
                .metadataTooLong,
                "appMetadata has \(appMetadata.count) bytes; at most \(ConnectionInfo.maximumAppMetadata) travel in a handshake")
        }
        let link = HostLink(peerID: PeerID(identity.publicKey), clock: clock, logger: logger)
        let everyGater = EveryGater(gater)
        var plan = HostPlan(
            identity: identity, surroundings: surroundings, appMetadata: appMetadata, handshakeTimeout: configuration.handshakeTimeout,
            networks: configuration.networks, windowBudget: configuration.budget(ofWindows: windowBudget), group: group, logger: logger,
            host: link,
            gater: everyGater)
        for module in modules { try await module.join(&plan) }
        return try PeerHost(plan, link: link, gater: everyGater, configuration: configuration, peerstore: peerstore)
    }
}

extension PeerHost {
    /// A host of transports alone, and of what `complete` adds to its plan: for tests.
    package convenience init(
        identity: any IdentityKey, transports: [any Transport], configuration: HostConfiguration = HostConfiguration(),
        gater: any ConnectionGater = OpenGater(), peerstore: (any Peerstore)? = nil, group: any EventLoopGroup, clock: HostClock = .system,
        logger: Logger = Logger(label: "p2p"), complete: (inout HostPlan) -> Void = { _ in }
    ) throws(HostError) {
        let link = HostLink(peerID: PeerID(identity.publicKey), clock: clock, logger: logger)
        let everyGater = EveryGater(gater)
        var plan = HostPlan(
            identity: identity, handshakeTimeout: configuration.handshakeTimeout, networks: configuration.networks,
            windowBudget: configuration.budget(ofWindows: HostConfiguration.defaultWindowBudget), group: group, logger: logger, host: link,
            gater: everyGater)
        plan.transports = transports
        complete(&plan)
        try self.init(plan, link: link, gater: everyGater, configuration: configuration, peerstore: peerstore)
    }
}

extension HostConfiguration {
    /// The memory of a host, of which windows may grow by so many bytes.
    fileprivate func budget(ofWindows bytes: Int) -> MemoryBudget {
        MemoryBudget(limit: bytes, held: HeldMemory(self.limits.memoryLimits, known: self.networks))
    }
}

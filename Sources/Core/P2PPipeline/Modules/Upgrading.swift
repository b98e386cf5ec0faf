import NIOCore
public import P2PCore

/// What makes connections of bytes, for every byte transport of a host: secure channels, stream muxers, and what lies below them.
///
/// It stands before the transports in a host's list of modules; they find its ``Upgrader`` in the plan.
public struct Upgrading: HostModule {
    private let security: [any SecureChannelModule]
    private let muxers: [any StreamMuxer]
    private let protector: (any ConnectionProtector)?
    private let negotiatesMuxersEarly: Bool

    /// - Parameters:
    ///   - security: secure channels, the preferred one first.
    ///   - muxers: stream muxers, the preferred one first.
    ///   - protector: lies below everything else; nil for the public network.
    ///   - negotiatesMuxersEarly: whether secure handshakes announce the muxers, which saves a round trip.
    public init(
        security: [any SecureChannelModule], muxers: [any StreamMuxer], protector: (any ConnectionProtector)? = nil,
        negotiatesMuxersEarly: Bool = true
    ) {
        self.security = security
        self.muxers = muxers
        self.protector = protector
        self.negotiatesMuxersEarly = negotiatesMuxersEarly
    }

    /// Makes the channels and the upgrader.
    ///
    /// - Throws: ``TransportError/Code/invalidConfiguration`` for a list that is empty or names something twice, and for an insecure
    ///   channel beside others; what a channel throws.
    public func join(_ plan: inout HostPlan) async throws {
        try Self.check(self.security.map(\.protocolID), "secure channel")
        try Self.check(self.muxers.map(\.protocolID), "stream muxer")
        if self.security.count > 1, let insecure = self.security.first(where: \.isInsecure) {
            throw TransportError(
                .invalidConfiguration,
                """
                \(insecure.protocolID) proves nothing and must be the only secure channel: beside others, whoever is in the middle would \
                choose it
                """)
        }
        var channels: [any SecureChannel] = []
        for module in self.security { channels.append(try await module.makeChannel(&plan)) }
        let arrivalRoles = ArrivalRoles()
        plan[ArrivalRoles.self] = arrivalRoles
        plan.upgrader = Upgrader(
            localPeer: plan.peerID, protector: self.protector, security: channels, muxers: self.muxers, windowBudget: plan.windowBudget,
            inboundTimeout: TimeAmount(plan.handshakeTimeout), negotiatesMuxersEarly: self.negotiatesMuxersEarly,
            arrivalRoles: arrivalRoles)
    }

    /// An order of preference has entries, and names each once.
    private static func check(_ names: [ProtocolID], _ kind: String) throws(TransportError) {
        guard !names.isEmpty else { throw TransportError(.invalidConfiguration, "a host needs at least one \(kind)") }
        guard let twice = names.first(where: { name in names.count { $0 == name } > 1 }) else { return }
        throw TransportError(.invalidConfiguration, "the \(kind) \(twice) is named twice")
    }
}

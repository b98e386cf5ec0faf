import P2PCore
import P2PMultiaddr

/// What stands between a node and the internet, as far as it can tell from what it sees.
public struct Diagnosis: Hashable, Sendable {
    /// What it is. There will be more: a `switch` outside of this package has a `default`.
    public enum Kind: String, Hashable, Sendable {
        /// Peers come in.
        case open
        /// A router maps the ports, and peers come in.
        case mapped
        /// The address is the internet's, but packets that nobody has asked for don't arrive.
        case firewall
        /// A router translates addresses; it gives a port of this node's the same outer port whoever it speaks to.
        case coneNAT = "cone-nat"
        /// A router translates addresses, with another outer port for each peer.
        case symmetricNAT = "symmetric-nat"
        /// A router translates addresses; of what kind, too few peers have said.
        case nat
        /// Two routers in a row translate addresses.
        case doubleNAT = "double-nat"
        /// This node listens on no network but its own machine.
        case notListening = "not-listening"
        /// Nothing is known yet.
        case unknown
    }

    /// How a router translates one protocol's ports.
    public enum Translation: String, Hashable, Sendable {
        /// The same outer port whoever is spoken to: hole punching works.
        case endpointIndependent = "cone"
        /// Another for each.
        case endpointDependent = "symmetric"
        /// The address is the internet's.
        case none
        case unknown
    }

    /// What it is.
    public let kind: Kind
    /// What becomes of TCP ports.
    public let tcp: Translation
    /// What becomes of UDP ports.
    public let udp: Translation
    /// QUIC never gets through, though TCP does.
    public let isUDPBlocked: Bool
    /// Peers come in over IPv6, but not over IPv4.
    public let isIPv6Only: Bool

    /// Observers in different networks that are needed to tell how ports are translated.
    private static let votesNeeded = 2

    init(_ facts: ReachabilityFacts, state: Reachability.State, addresses: [AddressReport]) {
        let hasPublicIPv4 = facts.listening.contains { $0.isPublic && !$0.isRelayed && $0.ipAddress?.isIPv4 == true }
        self.tcp = hasPublicIPv4 ? .none : Self.translation(facts) { $0.tcpEndpoint?.port }
        self.udp = hasPublicIPv4 ? .none : Self.translation(facts) { $0.udpEndpoint?.port }
        self.isUDPBlocked =
            facts.dials.tcpSucceeded > 0 && facts.dials.quicSucceeded == 0 && facts.dials.quicFailed >= QUICTrials.silenceNeeded
        let reachable = addresses.filter { $0.verdict == .reachable }
        let hasIPv4 = reachable.contains { $0.address.ipAddress?.isIPv4 == true }
        self.isIPv6Only = !reachable.isEmpty && !hasIPv4 && facts.listening.contains { $0.ipAddress?.isIPv4 == true && !$0.isLoopback }
        self.kind = Self.kind(facts, state, reachable, hasPublicIPv4: hasPublicIPv4, (self.tcp, self.udp))
    }

    private static func kind(
        _ facts: ReachabilityFacts, _ state: Reachability.State, _ reachable: [AddressReport], hasPublicIPv4: Bool,
        _ translations: (tcp: Translation, udp: Translation)
    ) -> Kind {
        let outside = facts.listening.filter { !$0.isLoopback && !$0.isRelayed }
        guard !outside.isEmpty else { return .notListening }
        if state == .public {
            let isMapped = reachable.contains { if case .mapped = $0.source { true } else { false } }
            return isMapped ? .mapped : .open
        }
        if hasPublicIPv4 { return state == .private ? .firewall : .unknown }
        if facts.router?.isBehindAnotherNAT == true || Self.hasForeignMapping(facts) { return .doubleNAT }
        if [translations.tcp, translations.udp].contains(.endpointDependent) { return .symmetricNAT }
        if [translations.tcp, translations.udp].contains(.endpointIndependent) { return .coneNAT }
        // The internet sees an address, and it is none of this machine's.
        if facts.observed.contains(where: { $0.address.isPublic && $0.address.ipAddress?.isIPv4 == true }) { return .nat }
        return state == .private ? .nat : .unknown
    }

    /// What the router says is its outer address is not the one that peers see.
    private static func hasForeignMapping(_ facts: ReachabilityFacts) -> Bool {
        let seen = Set(facts.observed.filter { $0.address.isPublic }.compactMap { $0.address.ipAddress }.filter(\.isIPv4))
        let mapped = Set((facts.router?.mapped ?? []).compactMap { $0.address.ipAddress })
        return !seen.isEmpty && !mapped.isEmpty && seen.isDisjoint(with: mapped)
    }

    /// - Parameter port: an address's port of the protocol; nil when it has none.
    private static func translation(_ facts: ReachabilityFacts, _ port: (Multiaddr) -> UInt16?) -> Translation {
        let seen = facts.observed.filter {
            $0.address.isPublic && !$0.address.isRelayed && $0.address.ipAddress?.isIPv4 == true && port($0.address) != nil
        }
        let votes = seen.reduce(0) { $0 + $1.observers }
        guard votes >= Self.votesNeeded, let most = seen.map(\.observers).max() else { return .unknown }
        if most > 1 {
            // A node listens on few ports; each has an outer one.
            let strongest = seen.map(\.observers).sorted(by: >).prefix(3).reduce(0, +)
            return strongest * 2 > votes ? .endpointIndependent : .endpointDependent
        }
        // No two say the same. Where more outer ports were seen than there are inner ones, one of these has several.
        let inner = Set(facts.listening.filter { !$0.isLoopback && !$0.isRelayed && $0.ipAddress?.isIPv4 == true }.compactMap(port))
        let outer = Dictionary(grouping: seen) { $0.address.ipAddress }.values.map { Set($0.compactMap { port($0.address) }).count }
        return outer.contains { $0 > max(1, inner.count) } ? .endpointDependent : .unknown
    }
}

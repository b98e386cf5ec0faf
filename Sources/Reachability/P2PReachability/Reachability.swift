import P2PCore
import P2PMultiaddr

/// Whether a node can be reached from the internet, why not, and what to do: one value, made of ``ReachabilityFacts``.
public struct Reachability: Hashable, Sendable {
    /// The node as a whole.
    public enum State: String, Hashable, Sendable {
        /// At least one address is reached by peers whom this node has not asked to.
        case `public`
        /// Others have tried, and none of its addresses is.
        case `private`
        case unknown
    }

    /// The conclusion of all of it.
    public let state: State
    /// Of the internet's addresses that the node has or might have, and of what relays lend it, what is known.
    public let addresses: [AddressReport]
    /// What stands between the node and the internet.
    public let diagnosis: Diagnosis
    /// What to do about it, in plain words; empty when there is nothing to do.
    public let remedy: String

    /// Draws the conclusions.
    public init(_ facts: ReachabilityFacts) {
        let addresses = Self.reports(facts)
        self.addresses = addresses
        let own = addresses.filter { $0.source != .relayed }
        if own.contains(where: { $0.verdict == .reachable }) {
            self.state = .public
        } else if facts.servers > 0, !own.isEmpty, own.allSatisfy({ $0.verdict == .unreachable }) {
            self.state = .private
        } else {
            self.state = .unknown
        }
        let diagnosis = Diagnosis(facts, state: self.state, addresses: addresses)
        self.diagnosis = diagnosis
        self.remedy = Remedy.text(for: diagnosis, facts)
    }

    private static func reports(_ facts: ReachabilityFacts) -> [AddressReport] {
        var sources: [(address: Multiaddr, source: AddressReport.Source)] = []
        func add(_ address: Multiaddr, _ source: AddressReport.Source) {
            guard !sources.contains(where: { $0.address == address }) else { return }
            sources.append((address, source))
        }
        for address in facts.listening where address.isPublic || address.isRelayed {
            add(address, address.isRelayed ? .relayed : .listening)
        }
        for mapped in facts.router?.mapped ?? [] { add(mapped.address, .mapped(by: mapped.method)) }
        for observed in facts.observed where observed.address.isPublic && !observed.address.isRelayed {
            if observed.isConfirmed || facts.verdicts.contains(where: { $0.address == observed.address && $0.servers > 0 }) {
                add(observed.address, .observed(by: observed.observers))
            }
        }
        // What is assumed is worth a word once somebody has tried it.
        for verdict in facts.verdicts where verdict.servers > 0 { add(verdict.address, .assumed) }
        return sources.map { address, source in
            let verdict = facts.verdicts.first { $0.address == address }
            return AddressReport(
                address: address, source: source, verdict: verdict?.state ?? .unknown, servers: verdict?.servers ?? 0,
                networks: verdict?.networks ?? 0, lastError: verdict?.lastError)
        }
    }
}

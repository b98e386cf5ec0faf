package import P2PHTTPHead
package import P2PMultiaddr

/// Whose request a proxy passes on, as `X-Forwarded-For` says: a value without I/O.
package enum ForwardedClient {
    /// Entries that are looked at, from the right.
    package static let maximumEntries = 32

    /// The client that is nearest among those that nobody here vouches for: the rightmost entry that is no proxy itself.
    ///
    /// Entries further left come from that client, who may claim anything. An entry that is no address ends the look: what is known by then
    /// counts.
    ///
    /// - Parameter peer: from where the request came.
    /// - Returns: nil when that is no proxy that is believed, or when it says nothing.
    package static func address(in head: HTTPHead, from peer: IPAddress, trusting proxies: [IPNetwork]) -> IPAddress? {
        guard proxies.contain(peer) else { return nil }
        let entries = head.values("x-forwarded-for").flatMap { $0.split(separator: ",", omittingEmptySubsequences: false) }
        var client: IPAddress?
        for entry in entries.reversed().prefix(Self.maximumEntries) {
            guard let address = Self.address(entry) else { break }
            client = address
            if !proxies.contain(address) { break }
        }
        return client
    }

    /// An address, perhaps with a port behind it as some proxies add it; IPv6 perhaps in brackets.
    private static func address(_ entry: Substring) -> IPAddress? {
        var text = entry
        while text.first == " " || text.first == "\t" { text.removeFirst() }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        var address = IPAddress(String(text))
        if address == nil, text.first == "[", let end = text.firstIndex(of: "]") {
            let rest = text[text.index(after: end)...]
            guard rest.isEmpty || Self.isPort(rest) else { return nil }
            address = IPAddress(String(text[..<end].dropFirst()))
            guard address?.isIPv6 == true else { return nil }
        } else if address == nil, let colon = text.firstIndex(of: ":"), Self.isPort(text[colon...]) {
            address = IPAddress(String(text[..<colon]))
        }
        guard let address = address?.unmapped, !address.isUnspecified, !address.isMulticast else { return nil }
        return address
    }

    /// A colon and a number.
    private static func isPort(_ text: Substring) -> Bool {
        text.first == ":" && (2...6).contains(text.utf8.count) && HTTPHead.number(text.dropFirst()).map { $0 <= 65_535 } == true
    }
}

package import P2PCore
package import P2PMultiaddr

/// A walk over lists of addresses that name further lists (multiaddr specs, "dnsaddr"), as a value: it says which names to ask for, and is
/// told the texts that they have.
///
/// Everything that is told comes from strangers. No name is asked for twice, so loops end.
package struct AddressListWalk {
    /// The longest name that DNS carries with `_dnsaddr.` before it, in bytes.
    private static let nameLimit = 244
    private static let prefix = Array("dnsaddr=".utf8)

    /// A list to ask for.
    package struct List: Hashable, Sendable {
        /// The domain name whose TXT records are the list.
        package let domain: String
        /// What each of its addresses must end with.
        fileprivate let ending: [MultiaddrComponent]
        fileprivate let depth: Int
    }

    private let limits: AddressListLimits
    private var asked: Set<String> = []
    private var waiting: [List] = []
    /// What may be dialled, in the order in which it was told.
    package private(set) var addresses: [Multiaddr] = []

    /// - Throws: `.invalidAddress` when it doesn't begin with `/dnsaddr`, or names what is no name in DNS.
    package init(_ address: Multiaddr, limits: AddressListLimits) throws(TransportError) {
        self.limits = limits
        guard let list = Self.list(address, depth: 1) else {
            throw TransportError(.invalidAddress, "\(address) does not begin with /dnsaddr and the name of a domain")
        }
        self.enqueue(list)
    }

    /// Lists to ask for now. Tell of each, in any order, before asking again; none ends the walk.
    package mutating func next() -> [List] {
        defer { self.waiting = [] }
        return self.addresses.count < self.limits.addresses ? self.waiting : []
    }

    /// The texts of a list, each the strings of one record joined.
    package mutating func told(_ texts: some Sequence<[UInt8]>, of list: List) {
        for text in texts.prefix(self.limits.records) where text.starts(with: Self.prefix) {
            // No text in a language that DNS knows nothing of.
            guard let address = try? Multiaddr(String(decoding: text.dropFirst(Self.prefix.count), as: UTF8.self)) else { continue }
            let components = address.components
            guard components.count >= list.ending.count, components.suffix(list.ending.count).elementsEqual(list.ending) else { continue }
            if address.isAddressList {
                if list.depth < self.limits.depth, let further = Self.list(address, depth: list.depth + 1) { self.enqueue(further) }
            } else if self.addresses.count < self.limits.addresses, !self.addresses.contains(address) {
                self.addresses.append(address)
            }
        }
    }

    private mutating func enqueue(_ list: List) {
        guard self.asked.count < self.limits.names, self.asked.insert(list.domain.lowercased()).inserted else { return }
        self.waiting.append(list)
    }

    private static func list(_ address: Multiaddr, depth: Int) -> List? {
        guard let first = address.components.first, first.protocol == .dnsaddr, let name = first.name, self.isName(name) else { return nil }
        return List(domain: "_dnsaddr." + name, ending: Array(address.components.dropFirst()), depth: depth)
    }

    /// Letters, digits, hyphens and underscores between dots: whatever else means something to some resolver.
    private static func isName(_ name: String) -> Bool {
        guard name.utf8.count <= Self.nameLimit else { return false }
        return name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            (1...63).contains(label.utf8.count)
                && label.utf8.allSatisfy { byte in
                    switch byte {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                        UInt8(ascii: "0")...UInt8(ascii: "9"),
                        UInt8(ascii: "-"), UInt8(ascii: "_"):
                        true
                    default: false
                    }
                }
        }
    }
}

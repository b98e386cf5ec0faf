extension IPAddress: LosslessStringConvertible {
    /// Parses dotted-decimal IPv4 (four numbers without leading zeros) or IPv6 (RFC 4291, section 2.2), without zone; nil for all else.
    public init?(_ description: String) {
        guard description.utf8.count <= Self.maxTextLength else { return nil }
        let text = Array(description.utf8)
        guard let address = Self.parseIPv4(text[...]) ?? Self.parseIPv6(text[...]) else { return nil }
        self = address
    }

    /// Dotted-decimal IPv4, or IPv6 in its one canonical text (RFC 5952), with the last 32 bits dotted when it is IPv4-mapped.
    public var description: String {
        guard let groups = self.groups else { return Self.dotted(self.bytes) }
        if self.embeddedV4 != nil {
            return "::ffff:" + Self.dotted(self.bytes.suffix(4))
        }
        guard let zeros = Self.longestZeroRun(groups) else {
            return groups.map { String($0, radix: 16) }.joined(separator: ":")
        }
        let head = groups[..<zeros.lowerBound].map { String($0, radix: 16) }.joined(separator: ":")
        let tail = groups[zeros.upperBound...].map { String($0, radix: 16) }.joined(separator: ":")
        return head + "::" + tail
    }

    /// The longest text: an IPv6 address with eight full groups, or six and a dotted tail.
    static let maxTextLength = 45

    static func parseIPv4(_ text: ArraySlice<UInt8>) -> IPAddress? {
        guard text.count <= 15 else { return nil }
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var number: UInt32 = 0
        for part in parts {
            guard let byte = MultiaddrValueFormat.number(part, limit: 255) else { return nil }
            number = number << 8 | byte
        }
        return IPAddress(v4: number)
    }

    static func parseIPv6(_ text: ArraySlice<UInt8>) -> IPAddress? {
        let colon = UInt8(ascii: ":")
        guard (2...Self.maxTextLength).contains(text.count) else { return nil }
        var groups: [UInt16] = []
        var gap: Int?
        var rest = text
        if rest.first == colon {
            guard rest.dropFirst().first == colon else { return nil }
            gap = 0
            rest = rest.dropFirst(2)
        }
        while !rest.isEmpty {
            let token = rest.prefix { $0 != colon }
            rest = rest.dropFirst(token.count)
            if rest.isEmpty, token.contains(UInt8(ascii: ".")) {
                guard let tail = Self.parseIPv4(token)?.embeddedV4 else { return nil }
                groups += [UInt16(truncatingIfNeeded: tail >> 16), UInt16(truncatingIfNeeded: tail)]
                break
            }
            guard let group = Self.hexGroup(token) else { return nil }
            groups.append(group)
            guard rest.popFirst() != nil else { break }
            guard let next = rest.first else { return nil }
            if next == colon {
                guard gap == nil else { return nil }
                gap = groups.count
                rest = rest.dropFirst()
            }
        }
        if let gap {
            guard groups.count < 8 else { return nil }
            groups.insert(contentsOf: repeatElement(0, count: 8 - groups.count), at: gap)
        }
        guard groups.count == 8 else { return nil }
        return IPAddress(
            v6: groups.prefix(4).reduce(0) { $0 << 16 | UInt64($1) }, groups.suffix(4).reduce(0) { $0 << 16 | UInt64($1) })
    }

    private static func hexGroup(_ token: ArraySlice<UInt8>) -> UInt16? {
        guard (1...4).contains(token.count) else { return nil }
        var group: UInt16 = 0
        for character in token {
            guard let digit = PercentEncoding.hexValue(character) else { return nil }
            group = group << 4 | UInt16(digit)
        }
        return group
    }

    private static func dotted(_ bytes: some Collection<UInt8>) -> String {
        bytes.map { String($0) }.joined(separator: ".")
    }

    /// The first of the longest runs of at least two zero groups (RFC 5952, sections 4.2.2 and 4.2.3).
    private static func longestZeroRun(_ groups: [UInt16]) -> Range<Int>? {
        var longest: Range<Int>?
        var start: Int?
        for (index, group) in (groups + [1]).enumerated() {
            if group == 0 {
                start = start ?? index
            } else if let begun = start {
                if index - begun >= 2, index - begun > (longest?.count ?? 0) {
                    longest = begun..<index
                }
                start = nil
            }
        }
        return longest
    }
}

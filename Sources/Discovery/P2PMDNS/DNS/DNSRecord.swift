package import P2PMultiaddr

/// The type of a record, or what a question asks for.
package struct DNSType: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) { self.rawValue = rawValue }

    /// An IPv4 address.
    package static let a = DNSType(rawValue: 1)
    /// A name; how a service lists its instances.
    package static let ptr = DNSType(rawValue: 12)
    /// Strings.
    package static let txt = DNSType(rawValue: 16)
    /// An IPv6 address.
    package static let aaaa = DNSType(rawValue: 28)
    /// Host and port of a service's instance.
    package static let srv = DNSType(rawValue: 33)
    /// In a question: all there is.
    package static let any = DNSType(rawValue: 255)
}

/// The class of a record, without the bit that mDNS borrows.
package struct DNSClass: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) { self.rawValue = rawValue }

    /// The internet.
    package static let internet = DNSClass(rawValue: 1)
    /// In a question: whichever.
    package static let any = DNSClass(rawValue: 255)
}

/// What a message asks.
package struct DNSQuestion: Hashable, Sendable {
    package var name: DNSName
    package var type: DNSType
    package var `class`: DNSClass
    /// The answer may come by unicast (RFC 6762, section 5.4).
    package var wantsUnicast: Bool

    package init(_ name: DNSName, _ type: DNSType, class: DNSClass = .internet, wantsUnicast: Bool = false) {
        self.name = name
        self.type = type
        self.class = `class`
        self.wantsUnicast = wantsUnicast
    }
}

/// What a message tells.
package struct DNSRecord: Hashable, Sendable {
    /// The data, as far as local discovery understands them.
    package enum Content: Hashable, Sendable {
        case address(IPAddress)
        case pointer(DNSName)
        case text([[UInt8]])
        case service(priority: UInt16, weight: UInt16, port: UInt16, target: DNSName)
        case other(DNSType, [UInt8])
    }

    package var name: DNSName
    package var `class`: DNSClass
    /// The record replaces all others of its name and type (RFC 6762, section 10.2).
    package var flushesCache: Bool
    /// For how many seconds it holds; 0 takes it back.
    package var timeToLive: UInt32
    package var content: Content

    package init(
        _ name: DNSName, timeToLive: UInt32, flushesCache: Bool = false, class: DNSClass = .internet, _ content: Content
    ) {
        self.name = name
        self.class = `class`
        self.flushesCache = flushesCache
        self.timeToLive = timeToLive
        self.content = content
    }

    package var type: DNSType {
        switch self.content {
        case .address(let address): address.isIPv4 ? .a : .aaaa
        case .pointer: .ptr
        case .text: .txt
        case .service: .srv
        case .other(let type, _): type
        }
    }
}

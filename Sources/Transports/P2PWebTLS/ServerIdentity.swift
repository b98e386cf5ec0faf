import NIOCore
package import P2PMultiaddr
import SwiftASN1
import X509

/// Who a server has to be, and how its certificate says so (RFC 9525): names are looked for among the names of domains alone, and addresses
/// among the addresses alone, wherever the connection leads.
package enum ServerIdentity: Sendable, Hashable, CustomStringConvertible {
    /// A domain.
    case name(String)
    /// An IP address.
    case address(IPAddress)

    package var description: String {
        switch self {
        case .name(let name): name
        case .address(let ip): "\(ip)"
        }
    }

    /// Whether one of a certificate's alternative names is this one. What is said in its subject counts for nothing.
    func isNamed(in certificate: Certificate) throws -> Bool {
        guard let names = try certificate.extensions.subjectAlternativeNames else { return false }
        return names.contains { self.matches($0) }
    }

    func matches(_ shown: GeneralName) -> Bool {
        switch (self, shown) {
        case (.name(let name), .dnsName(let shown)): Self.matches(Self.labels(name), shown: Self.labels(shown))
        case (.address(let ip), .ipAddress(let bytes)): bytes.bytes.elementsEqual(ip.bytes)
        default: false
        }
    }

    /// A star stands for one whole label, the first (RFC 9525, section 6.3).
    private static func matches(_ wanted: [ArraySlice<UInt8>], shown: [ArraySlice<UInt8>]) -> Bool {
        guard wanted.count == shown.count, !wanted.contains(where: \.isEmpty) else { return false }
        guard shown.count > 1, shown[0].elementsEqual([UInt8(ascii: "*")]) else { return wanted == shown }
        return wanted.dropFirst() == shown.dropFirst()
    }

    /// The labels of a name in lower case, without the dot at its end. Letters beyond ASCII have no case here: they have no place in a
    /// certificate either.
    private static func labels(_ name: String) -> [ArraySlice<UInt8>] {
        var bytes = name.utf8.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }
        if bytes.last == UInt8(ascii: ".") { bytes.removeLast() }
        return bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    }
}

import NIOSSL

/// The name that a server's certificate has to carry.
///
/// NIOSSL is content with a certificate for the *address* as well, so that whoever leads a name to an address of his own, with a certificate for
/// that address, would be taken for the name.
struct ServerName {
    private let labels: [Substring]

    init(_ name: String) { self.labels = Self.labels(name) }

    /// Whether it is one of the certificate's names (RFC 9525, section 6.3): a wildcard stands for the whole first label.
    func isNamed(in certificate: NIOSSLCertificate) -> Bool {
        certificate._subjectAlternativeNames().contains { name in
            name.nameType == .dnsName && self.matches(String(decoding: name.contents, as: UTF8.self))
        }
    }

    func matches(_ shown: String) -> Bool {
        let shown = Self.labels(shown)
        guard shown.count == self.labels.count else { return false }
        return shown.first == "*" && shown.count > 2 ? shown.dropFirst() == self.labels.dropFirst() : shown == self.labels
    }

    private static func labels(_ name: String) -> [Substring] {
        (name.hasSuffix(".") ? String(name.dropLast()) : name).lowercased().split(separator: ".", omittingEmptySubsequences: false)
    }
}

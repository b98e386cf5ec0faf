package import NIOCore

/// Collects the head of a final response; interim ones before it are passed over, as whoever asks has to (RFC 9110, section 15.2).
package struct HTTPResponseReader {
    /// Interim responses before the final one.
    package static let maximumInterim = 8
    /// The one response below 200 that is final.
    private static let switchingProtocols: UInt16 = 101

    private var reader = HTTPHeadReader()
    private var interim = 0

    /// Nothing yet.
    package init() {}

    /// Takes bytes; the final head once it is complete, and not a byte behind it.
    package mutating func received(_ input: inout ByteBuffer) throws(HTTPHeadError) -> HTTPHead? {
        while let head = try self.reader.received(&input) {
            guard let status = head.status, (100..<200).contains(status), status != Self.switchingProtocols else { return head }
            guard self.interim < Self.maximumInterim else {
                throw HTTPHeadError("more than \(Self.maximumInterim) interim responses came, and none that is final")
            }
            self.interim += 1
            self.reader = HTTPHeadReader()
        }
        return nil
    }
}

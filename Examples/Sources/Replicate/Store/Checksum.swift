import Crypto

/// SHA-256, in hexadecimal digits.
enum Checksum {
    static func of(_ bytes: some Sequence<UInt8>, digits: Int = 32) -> String {
        let bytes = SHA256.hash(data: Array(bytes)).map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }
        return String(bytes.joined().prefix(digits))
    }

    /// The digest of a revision: the same edit of the same revision has the same one on every node, so that it is no conflict.
    static func revision(of body: [ExactText: JSON], isDeleted: Bool, after base: Revision?) -> String {
        self.of(JSON.list([.flag(isDeleted), base.map { .text("\($0)") } ?? .null, .object(body)]).bytes)
    }
}

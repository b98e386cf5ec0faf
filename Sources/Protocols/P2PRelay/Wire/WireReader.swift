import NIOCore
import P2PCore
import P2PProtobuf

/// Reads the fields of one message of relays; what is none is a ``RelayError``.
struct WireReader {
    private var fields: ProtobufReader

    init(_ bytes: ByteBuffer) { self.fields = ProtobufReader(bytes) }

    /// The next field; nil at the end.
    mutating func next() throws(RelayError) -> (field: Int, value: ProtobufReader.Value)? {
        do throws(ProtobufError) {
            return try self.fields.next().map { ($0.number, $0.value) }
        } catch {
            throw Self.malformed("\(error)")
        }
    }

    static func malformed(_ why: String) -> RelayError { RelayError(.malformed, "no relay message: \(why)") }
}

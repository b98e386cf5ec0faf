import NIOCore
import P2PPolicy

/// A file of rules.
struct PolicyFile: Sendable {
    let path: String

    /// The rules, as they stand there now.
    ///
    /// - Parameter isLasting: whether it has to be a file that can be read again, and not a pipe.
    /// - Throws: `PolicyError` with the line and the column of a mistake; `ToolError` for a file that can't be read.
    func read(isLasting: Bool = false) throws -> Policy {
        let bytes = try SystemFile.contents(of: self.path, upTo: Policy.maximumTextBytes, isLasting: isLasting)
        guard let text = String(validating: bytes.readableBytesView, as: UTF8.self) else {
            throw ToolError("inputFailed", "\(self.path) is not text in UTF-8")
        }
        return try Policy(text)
    }
}

/// The rules that a node keeps to, and where they come from.
struct PolicyInForce: Sendable {
    let file: PolicyFile
    let gate: PolicyGate

    /// Reads the file.
    init(path: String) throws {
        self.file = PolicyFile(path: path)
        self.gate = PolicyGate(try self.file.read(isLasting: true))
    }

    /// Reads the file again; the old rules stay when it is wrong.
    ///
    /// - Returns: what there is to tell.
    func readAgain() -> (event: JSONObject, text: String) {
        do {
            let review = self.gate.replace(with: try self.file.read(isLasting: true))
            return (
                [
                    "event": "policy", "rules": .integer(review.rules), "closed_connections": .integer(review.connections),
                    "closed_streams": .integer(review.streams), "closed_listeners": .integer(review.listeners),
                ],
                """
                the policy was read again: \(review.rules) rules; closed are \(review.connections) connections, \(review.streams) streams, \
                \(review.listeners) listeners
                """
            )
        } catch {
            let error = ToolError(error)
            return (
                ["event": "policy_refused", "code": .string(error.code), "message": .string(error.description)],
                "the policy stays as it was: \(error)"
            )
        }
    }
}

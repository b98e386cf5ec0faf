/// Why something is not done, as CouchDB says it.
struct Refusal: Error, Sendable, CustomStringConvertible {
    let status: Int
    /// CouchDB's word for it.
    let error: String
    /// For people.
    let reason: String

    var description: String { "\(self.error): \(self.reason)" }
    var json: JSON { ["error": .text(self.error), "reason": .text(self.reason)] }

    static func badRequest(_ reason: String) -> Self { Self(status: 400, error: "bad_request", reason: reason) }
    static func forbidden(_ reason: String) -> Self { Self(status: 403, error: "forbidden", reason: reason) }
    static func notFound(_ reason: String = "missing") -> Self { Self(status: 404, error: "not_found", reason: reason) }
    static let conflict = Self(status: 409, error: "conflict", reason: "Document update conflict.")
    static func tooLarge(_ reason: String) -> Self { Self(status: 413, error: "too_large", reason: reason) }
    static func full(_ reason: String) -> Self { Self(status: 507, error: "insufficient_storage", reason: reason) }
}

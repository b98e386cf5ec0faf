public import P2PCore

/// Why a policy could not be read.
public typealias PolicyError = CodedFailure<Policy>

extension PolicyError.Code {
    /// A line is no rule; the message says which, where and why.
    public static var notARule: Self { Self("policyNotARule") }
    /// The text is longer, or has more rules, than is read.
    public static var tooLarge: Self { Self("policyTooLarge") }
    /// What was asked is no question that rules answer; the message says why.
    public static var notAQuestion: Self { Self("policyNotAQuestion") }
}

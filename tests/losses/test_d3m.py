import math

import pytest
import torch

from skelblocks.contrast import contrastive_logits, unit_rows
from skelblocks.losses import D3MLoss, d3m_loss, d3m_loss_from_embeddings


def reference(students, teacher):
    """The printed sums, one probability at a time, in Python floats."""
    total = 0.0
    for student in students:
        for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
            p = [math.exp(v) / sum(map(math.exp, t)) for v in t]
            q = [math.exp(v) / sum(map(math.exp, s)) for v in s]
            total -= p[0] * math.log(q[0]) + sum(pi * math.log(qi) for pi, qi in zip(p[1:], q[1:], strict=True))
    return total / (len(students) * len(teacher))


@pytest.mark.parametrize("branches", [1, 2, 3])
def test_equals_the_slow_reference(branches):
    teacher = torch.randn(5, 9, dtype=torch.float64)
    students = [torch.randn(5, 9, dtype=torch.float64) for _ in range(branches)]
    assert d3m_loss(students, teacher).item() == pytest.approx(reference(students, teacher), rel=1e-12)
    assert D3MLoss()(students, teacher) == d3m_loss(students, teacher)


def test_least_at_the_teacher_where_it_is_the_teachers_entropy():
    teacher = torch.randn(4, 30, dtype=torch.float64)
    p = teacher.softmax(1)
    entropy = -(p * p.log()).sum(1).mean()
    torch.testing.assert_close(d3m_loss([teacher], teacher), entropy)
    for _ in range(50):
        assert d3m_loss([teacher + torch.randn_like(teacher)], teacher) >= entropy


def test_order_of_the_bank_and_a_constant_shift_do_not_matter():
    teacher, student = torch.randn(2, 4, 12, dtype=torch.float64)
    shuffled = torch.cat((torch.tensor([0]), 1 + torch.randperm(11)))
    torch.testing.assert_close(d3m_loss([student[:, shuffled]], teacher[:, shuffled]), d3m_loss([student], teacher))
    torch.testing.assert_close(d3m_loss([student + 3], teacher - 5), d3m_loss([student], teacher))


def test_gradient_reaches_students_and_never_the_teacher():
    teacher = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    students = [torch.randn(3, 6, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    d3m_loss(students, teacher).backward()
    assert teacher.grad is None
    for s in students:  # cross-entropy's gradient: (q - p) / (n * branches)
        torch.testing.assert_close(s.grad, (s.softmax(1) - teacher.softmax(1)).detach() / 9)
    assert torch.autograd.gradcheck(lambda a, b: d3m_loss([a, b], teacher.detach()), tuple(students[:2]))


def test_an_excluded_column_is_as_good_as_absent():
    teacher, student = torch.randn(2, 4, 9, dtype=torch.float64)
    cut_teacher, cut = teacher.clone(), student.clone()
    cut_teacher[:, 5:] = cut[:, 5:] = -torch.inf
    cut.requires_grad_()
    loss = d3m_loss([cut], cut_teacher)
    torch.testing.assert_close(loss, d3m_loss([student[:, :5]], teacher[:, :5]))
    loss.backward()
    assert (cut.grad[:, 5:] == 0).all()
    assert cut.grad.isfinite().all()
    assert d3m_loss([cut.detach()], teacher) == torch.inf  # the teacher wants what the student cannot give


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_finite_at_the_widest_gap_that_cosines_and_a_small_temperature_allow(dtype):
    gap = 2 / 0.02
    logits = torch.tensor([[gap, 0.0, 0.0]], dtype=dtype)
    student = (-logits).requires_grad_()
    loss = d3m_loss([student], logits)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, torch.tensor(gap + math.log(2)))
    loss.backward()
    assert student.grad.isfinite().all()


def case(n=5, d=8, k=40, branches=3):
    query, key, *students = (x.requires_grad_() for x in torch.randn(2 + branches, n, d, dtype=torch.float64))
    return query, students, key, unit_rows(torch.randn(k, d, dtype=torch.float64))


@pytest.mark.parametrize("chunk_size", [None, 1, 7, 40, 100])
@pytest.mark.parametrize("with_exclude", [False, True])
def test_both_doors_give_the_same_value_and_gradients(chunk_size, with_exclude):
    query, students, key, bank = case()
    exclude = torch.rand(5, 40) < 0.4 if with_exclude else None
    if with_exclude:
        exclude[0] = True  # nothing but the positive is left
    teacher, *logits = (contrastive_logits(x, key, bank, temperature=0.07, exclude=exclude) for x in (query, *students))
    expected = d3m_loss(logits, teacher)
    loss = d3m_loss_from_embeddings(
        query, students, key, bank, temperature=0.07, chunk_size=chunk_size, exclude=exclude
    )
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)
    inputs = (*students, key)
    ours, reference = (torch.autograd.grad(x, inputs, retain_graph=True) for x in (loss, expected))
    torch.testing.assert_close(ours, reference, rtol=1e-10, atol=1e-11)
    assert torch.autograd.grad(loss, query, allow_unused=True) == (None,)


def test_gradients_from_embeddings():
    query, students, key, bank = case(n=3, d=4, k=7, branches=2)
    exclude, options = torch.rand(3, 7) < 0.3, {"temperature": 0.3, "chunk_size": 3}
    key = key.detach()  # finite differences would move the teacher with it, which the loss holds constant

    def loss(*branches):
        return d3m_loss_from_embeddings(query, branches, key, bank, exclude=exclude, **options)

    assert torch.autograd.gradcheck(loss, tuple(students))


def test_float32_and_chunks_lose_nothing():
    query, students, key, bank = case(n=16, d=128, k=2000)
    expected = d3m_loss_from_embeddings(query, students, key, bank, temperature=0.07)
    low = d3m_loss_from_embeddings(
        query.float(), [s.float() for s in students], key.float(), bank.float(), temperature=0.07, chunk_size=300
    )
    torch.testing.assert_close(low, expected.float(), rtol=1e-5, atol=1e-5)


def saved_elements(k, chunk_size):
    """What autograd keeps between forward and backward, the bank itself aside."""
    query, key, *students = torch.randn(5, 4, 8)
    students = [s.requires_grad_() for s in students]
    bank, kept = unit_rows(torch.randn(k, 8)), []

    def pack(x):
        if x.untyped_storage().data_ptr() != bank.untyped_storage().data_ptr():
            kept.append(x.untyped_storage().nbytes() // x.element_size())
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        d3m_loss_from_embeddings(query, students, key, bank, temperature=0.07, chunk_size=chunk_size).backward()
    return sum(kept)


def test_memory_does_not_grow_with_the_bank():
    assert saved_elements(128, 32) == saved_elements(4096, 32)
    assert saved_elements(4096, None) > saved_elements(128, None) + 3 * 4 * 3900


def test_compiles_in_one_graph_with_its_gradient():
    query, students, key, bank = case()

    def both(q, a, b, k, rows):
        teacher, *logits = (contrastive_logits(x, k, rows, temperature=0.07) for x in (q, a, b))
        return D3MLoss()(logits, teacher) + d3m_loss_from_embeddings(q, [a, b], k, rows, temperature=0.1, chunk_size=16)

    inputs = (query, students[0], students[1], key, bank)
    ours, expected = torch.compile(both, backend="eager", fullgraph=True)(*inputs), both(*inputs)
    torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(torch.autograd.grad(ours, students[:2]), torch.autograd.grad(expected, students[:2]))


@pytest.mark.parametrize(
    ("students", "teacher", "message"),
    [
        ([], (2, 4), "student_logits: expected at least one branch"),
        ([(2, 4), (2, 5)], (2, 4), r"student_logits\[1\]: .* axis 'k' is 5, not 4"),
        ([(2, 4)], (2, 4, 1), "teacher_logits: expected 2 axes"),
    ],
)
def test_wrong_shapes_say_what_was_expected(students, teacher, message):
    with pytest.raises(ValueError, match=message):
        d3m_loss([torch.zeros(s) for s in students], torch.zeros(teacher))


def test_integers_are_refused():
    whole = torch.zeros(2, 4, dtype=torch.int64)
    with pytest.raises(TypeError, match="teacher_logits: expected a floating-point"):
        d3m_loss([torch.zeros(2, 4)], whole)
    with pytest.raises(TypeError, match=r"student_logits\[0\]: expected a floating-point"):
        d3m_loss([whole], torch.zeros(2, 4))


@pytest.mark.parametrize("chunk_size", [None, 2])
@pytest.mark.parametrize(
    ("students", "key", "message"),
    [
        ([], (2, 4), "students: expected at least one branch"),
        ([(2, 5)], (2, 4), r"students\[0\]: .* axis 'd' is 5, not 4"),
        ([(2, 4)], (3, 4), "key: .* axis 'n' is 3, not 2"),
    ],
)
def test_wrong_embeddings_say_what_was_expected(students, key, message, chunk_size):
    with pytest.raises(ValueError, match=message):
        d3m_loss_from_embeddings(
            torch.zeros(2, 4),
            [torch.zeros(s) for s in students],
            torch.zeros(key),
            torch.zeros(6, 4),
            temperature=0.1,
            chunk_size=chunk_size,
        )


def test_one_matrix_in_place_of_a_list_is_refused():
    x, bank = torch.zeros(2, 4), torch.eye(4)
    for loss in (d3m_loss, D3MLoss()):
        with pytest.raises(TypeError, match=r"student_logits: expected a list of tensors, got one .*; pass \[student"):
            loss(x, x)
    with pytest.raises(TypeError, match=r"students: expected a list of tensors, got one .*; pass \[students\]"):
        d3m_loss_from_embeddings(x, x, x, bank, temperature=0.1)


def test_second_derivative_and_no_matrix_kept_but_the_logits_and_the_target():
    torch.manual_seed(0)
    teacher = torch.randn(3, 7, dtype=torch.float64)
    students = [torch.randn(3, 7, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradgradcheck(lambda *logits: d3m_loss(logits, teacher), tuple(students))
    kept = set()

    def pack(tensor):
        kept.add((tensor.data_ptr(), tensor.shape))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        d3m_loss(students, teacher)
    matrices = {pointer for pointer, shape in kept if len(shape) == 2}
    assert len(matrices) == 3
    assert {student.data_ptr() for student in students} < matrices


@pytest.mark.parametrize("chunk_size", [None, 5])
def test_a_temperature_can_be_learned(chunk_size):
    query, key, student = torch.randn(3, 4, 8, dtype=torch.float64)
    bank = unit_rows(torch.randn(20, 8, dtype=torch.float64))

    def loss(temperature):
        return d3m_loss_from_embeddings(query, [student], key, bank, temperature=temperature, chunk_size=chunk_size)

    temperature = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    (got,) = torch.autograd.grad(loss(temperature), temperature)
    # The teacher's temperature is no gradient's business: its probabilities are constants.
    teacher = contrastive_logits(query, key, bank, temperature=0.1)

    def by_the_student(value):
        return d3m_loss([contrastive_logits(student, key, bank, temperature=value)], teacher)

    step = 1e-6
    slope = (by_the_student(0.1 + step) - by_the_student(0.1 - step)) / (2 * step)
    assert torch.allclose(got, slope, rtol=1e-6)


def test_vmap_equals_one_by_one():
    teacher, student = torch.randn(2, 3, 4, 9)
    one_by_one = torch.stack([d3m_loss([s], t) for s, t in zip(student, teacher, strict=True)])
    assert torch.allclose(torch.func.vmap(lambda s, t: d3m_loss([s], t))(student, teacher), one_by_one)
    gradient = torch.func.grad(lambda s: d3m_loss([s], teacher[0]))
    assert torch.allclose(torch.func.vmap(gradient)(student)[1], gradient(student[1]), atol=1e-7)
